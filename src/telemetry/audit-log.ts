import { closeSync, constants, fstatSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import type { AuditEvent, AuditTrail } from '../core/audit.ts';
import { ArrowportError } from '../errors.ts';
import { hideTokens } from './hide-tokens.ts';
import type { Logger } from './logger.ts';

const RETRY_MS = 1000;
/** Lines that are kept while none can be written. */
const MAX_WAITING = 10_000;
const FILE_MODE = 0o600;
const NEWLINE = 10;

/** What an audit log is made of. */
export interface AuditLogOptions {
  /** Absolute. */
  readonly path: string;
  readonly logger: Pick<Logger, 'error' | 'info'>;
}

/** An audit log in a file. */
export interface AuditLog extends AuditTrail {
  /** Why lines cannot be written; empty when they can. */
  problems(): readonly string[];
  /** Writes what waits, if that is possible, and closes the file. */
  close(): void;
}

/** A line that is not, or not wholly, in the file. */
interface WaitingLine {
  readonly bytes: Buffer;
  /** How much of it is in the file that is open. */
  written: number;
}

/**
 * Opens an audit log: JSON lines, appended one by one, each before the answer that it is about. The file may be renamed
 * away or cut to nothing at any time; the next line begins it again. Lines that cannot be written are told to the log,
 * kept, and written as soon as that is possible. Throws CONFIG_INVALID when the file cannot be opened.
 */
export function openAuditLog(options: AuditLogOptions): AuditLog {
  return new FileAuditLog(options);
}

class FileAuditLog implements AuditLog {
  readonly #options: AuditLogOptions;
  readonly #waiting: WaitingLine[] = [];
  #file: number | null = null;
  #failure: string | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    try {
      this.#file = openFile(options.path);
    } catch (cause) {
      throw new ArrowportError('CONFIG_INVALID', `audit.file cannot be opened: ${describe(cause)}`, {
        cause,
      });
    }
  }

  record(event: AuditEvent): void {
    const line = formatLine(event);
    // Loads do not begin then; only refusals can come to so many, and those the log has.
    const isFull = this.#waiting.length >= MAX_WAITING;
    if (!isFull) this.#waiting.push({ bytes: Buffer.from(`${line}\n`), written: 0 });
    if (this.#retry === null && this.#write() && !isFull) return;
    // The log is the second place, should this process end before the first can take the line.
    this.#options.logger.error({ audit: line }, `the audit log cannot be written: ${this.#failure}`);
  }

  ensureWritable(): void {
    if (this.#failure === null) return;
    throw new ArrowportError(
      'BACKEND_UNAVAILABLE',
      'The audit log cannot be written now, and nothing is changed without it.',
      { details: { retryAfterMs: RETRY_MS } },
    );
  }

  problems(): readonly string[] {
    if (this.#failure === null) return [];
    return [`the audit log cannot be written: ${this.#failure}; lines that wait: ${this.#waiting.length}`];
  }

  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#write();
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** Writes what waits; returns whether nothing does any more. */
  #write(): boolean {
    try {
      this.#reopenIfMoved();
      for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) {
        this.#append(line);
        this.#waiting.shift();
      }
    } catch (thrown) {
      this.#failure = describe(thrown);
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#write();
      }, RETRY_MS);
      this.#retry.unref();
      return false;
    }
    if (this.#failure !== null) this.#options.logger.info('the audit log is written again');
    this.#failure = null;
    return true;
  }

  #append(line: WaitingLine): void {
    if (this.#file === null) throw new Error('the file is closed');
    while (line.written < line.bytes.byteLength) {
      line.written += writeSync(this.#file, line.bytes, line.written);
    }
  }

  #reopenIfMoved(): void {
    if (this.#file !== null && isSameFile(this.#file, this.#options.path)) return;
    const file = openFile(this.#options.path);
    if (this.#file !== null) closeSync(this.#file);
    this.#file = file;
    // The beginning of a line in the file before means nothing to readers of this one.
    for (const line of this.#waiting) line.written = 0;
  }
}

/** Opens for appending; a line that a crash cut off is ended first, so that the next one stands alone. */
function openFile(path: string): number {
  const { O_RDWR, O_APPEND, O_CREAT } = constants;
  const file = openSync(path, O_RDWR | O_APPEND | O_CREAT, FILE_MODE);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return file;
    const last = Buffer.alloc(1);
    if (stats.size > 0 && readSync(file, last, 0, 1, stats.size - 1) === 1 && last[0] !== NEWLINE)
      writeSync(file, '\n');
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return file;
}

function isSameFile(file: number, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there === undefined) return false;
  const open = fstatSync(file);
  return there.ino === open.ino && there.dev === open.dev;
}

function formatLine(event: AuditEvent): string {
  const { caller, action, outcome, requestId, transport, stream, table, backend, code } = event;
  return hideTokens(
    JSON.stringify({
      time: new Date().toISOString(),
      caller,
      action,
      outcome,
      stream,
      table,
      storage_backend: backend,
      rows: event.rows,
      version: event.version,
      commit_id: event.commitId,
      code,
      transport,
      request_id: requestId,
    }),
  );
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  ENOENT: 'there is no such folder',
  EISDIR: 'this is a folder',
};

function describe(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error';
  return reasons[code] ?? code;
}
