import { open, stat } from 'node:fs/promises';
import type { ArrowportError } from '../errors.ts';
import { createConfigError } from './problem.ts';

/** A configuration is a page or two of text; what is larger is another file named by mistake. */
export const maxConfigBytes = 1_048_576;

/**
 * Reads a configuration file as text. Returns undefined when there is none.
 * Throws CONFIG_INVALID for what is no regular file, is too large, cannot be read or is not UTF-8.
 */
export async function findConfigText(path: string, shownName: string): Promise<string | undefined> {
  const refuse = (text: string, cause?: unknown): ArrowportError =>
    createConfigError([{ place: { name: shownName }, subject: '', text }], cause);
  const bytes = await readBytes(path, refuse);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse('the file is not UTF-8 text', cause);
  }
}

async function readBytes(
  path: string,
  refuse: (text: string, cause?: unknown) => ArrowportError,
): Promise<Uint8Array | undefined> {
  try {
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw refuse('this is not a regular file');
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(maxConfigBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (length > maxConfigBytes) throw refuse('the file is over 1 MiB; a configuration is not that large');
      if (bytesRead === 0) return buffer.subarray(0, length);
    }
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'CONFIG_INVALID') throw thrown;
    const reason =
      code === 'EACCES' || code === 'EPERM' ? 'permission denied' : String(code ?? 'unknown error');
    throw refuse(`the file cannot be read: ${reason}`, thrown);
  }
}
