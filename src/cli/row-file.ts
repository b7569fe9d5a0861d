import { createWriteStream } from 'node:fs';
import { access, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { brokenOff } from './delta-rows.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';

/** The formats of `--format`, with what is asked of the server for each. */
export const rowFormats = {
  arrow: 'application/vnd.apache.arrow.stream',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
} as const;

export type RowFormat = keyof typeof rowFormats;

/** What the options of a command say of the rows' form. */
export interface RowOutputOptions {
  readonly format?: RowFormat;
  readonly output?: string;
  readonly json?: boolean;
}

/**
 * The form of the rows; `undefined` stands for a table of text. Throws a usage failure for bytes on a terminal, and for a
 * file whose ending belongs to none of the forms.
 */
export function chooseRowFormat(options: RowOutputOptions, host: CliHost): RowFormat | undefined {
  const format = options.format ?? (options.json === true ? 'json' : formatOfName(options.output));
  if (
    host.stdout.isTTY === true &&
    options.output === undefined &&
    (format === 'arrow' || format === 'parquet')
  ) {
    throw new CliFailure('usage', `${format} is not for a terminal: add --output FILE`);
  }
  return format;
}

function formatOfName(output: string | undefined): RowFormat | undefined {
  if (output === undefined) return undefined;
  const ending = /\.(\w+)$/.exec(output)?.[1]?.toLowerCase();
  if (ending === undefined) return 'arrow';
  const format = formatOfEnding[ending];
  if (format !== undefined) return format;
  throw new CliFailure(
    'usage',
    `.${ending} is the ending of no format here: use .arrow, .csv, .json, .ndjson or .parquet, or say --format`,
  );
}

const formatOfEnding: Readonly<Record<string, RowFormat>> = {
  arrow: 'arrow',
  arrows: 'arrow',
  ipc: 'arrow',
  csv: 'csv',
  json: 'json',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  parquet: 'parquet',
};

/** Throws a refused failure when there is no folder for the file. */
export async function checkFolder(path: string): Promise<void> {
  const folder = dirname(path);
  await access(folder).catch(() => {
    throw new CliFailure('refused', `there is no folder ${folder}: make it, or name another --output`);
  });
}

/** Written beside its place and moved there, so that a file is whole or not there; devices and pipes are written to. */
export async function saveRows(response: IncomingMessage, path: string): Promise<void> {
  const isSpecial = await stat(path).then(
    (found) => !found.isFile(),
    () => false,
  );
  const written = isSpecial ? path : `${path}.${process.pid}.partial`;
  try {
    await pipeline(response, createWriteStream(written));
    if (!isSpecial) await rename(written, path);
  } catch (error) {
    if (!isSpecial) await rm(written, { force: true });
    throw isFileError(error) ? error : brokenOff(error);
  }
}

/** Files fail in a call of the system that is named; of a connection these are `read` and `connect`. */
function isFileError(error: unknown): boolean {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall !== undefined && ['open', 'write', 'writev', 'close', 'rename', 'fsync'].includes(syscall);
}
