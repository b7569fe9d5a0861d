import { createWriteStream } from 'node:fs';
import { access, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type DeltaOptions, deltaPath, openAnswer } from './delta-request.ts';
import { brokenOff, writeRowLines, writeRowTable } from './delta-rows.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';

/** The formats of `--format`, with what is asked of the server for each. */
export const rowFormats = {
  arrow: 'application/vnd.apache.arrow.stream',
  json: 'application/json',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
} as const;

type RowFormat = keyof typeof rowFormats;

/** Options of `arrowport delta read`. */
export interface ReadOptions extends DeltaOptions {
  readonly version?: number;
  readonly timestamp?: string;
  readonly columns?: readonly string[];
  readonly filter?: string;
  readonly limit?: number;
  readonly format?: RowFormat;
  readonly output?: string;
}

/** A terminal is not flooded: without `--limit` it shows this many rows. */
const TERMINAL_ROWS = 100;

/** `arrowport delta read TABLE`. */
export async function readTable(table: string, options: ReadOptions, host: CliHost): Promise<void> {
  if (options.version !== undefined && options.timestamp !== undefined) {
    throw new CliFailure('usage', '--version and --timestamp exclude each other: give one of them');
  }
  const format = chooseFormat(options, host);
  const output = options.output === undefined ? undefined : resolve(host.cwd, options.output);
  if (output !== undefined) await checkFolder(output);
  if (format === undefined) return showRows(table, options, host);
  const response = await open(table, options, host, options.limit, rowFormats[format]);
  if (output !== undefined) return saveRows(response, output);
  try {
    await pipeline(response, host.stdout, { end: false });
  } catch (error) {
    throw brokenOff(error);
  }
}

/** `undefined` stands for a table of text. Throws a usage failure for bytes on a terminal. */
function chooseFormat(options: ReadOptions, host: CliHost): RowFormat | undefined {
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
  return ending === 'csv' || ending === 'json' || ending === 'parquet' ? ending : 'arrow';
}

async function showRows(table: string, options: ReadOptions, host: CliHost): Promise<void> {
  const accept = 'application/x-ndjson';
  if (host.stdout.isTTY !== true) {
    return writeRowLines(await open(table, options, host, options.limit, accept), host);
  }
  const shown = options.limit ?? TERMINAL_ROWS;
  const response = await open(table, options, host, options.limit ?? shown + 1, accept);
  const { hasMore } = await writeRowTable(response, host, shown);
  if (hasMore) host.stderr.write(`These are the first ${shown} rows: --limit N shows more\n`);
}

function open(
  table: string,
  options: ReadOptions,
  host: CliHost,
  limit: number | undefined,
  accept: string,
): Promise<IncomingMessage> {
  const { version, timestamp, columns, filter } = options;
  const path = deltaPath(table, version === undefined ? '/rows' : `/version/${version}`);
  return openAnswer(options, host, path, { timestamp, columns: columns?.join(','), filter, limit }, accept);
}

async function checkFolder(path: string): Promise<void> {
  const folder = dirname(path);
  await access(folder).catch(() => {
    throw new CliFailure('refused', `there is no folder ${folder}: make it, or name another --output`);
  });
}

/** Written beside its place and moved there, so that a file is whole or not there; devices and pipes are written to. */
async function saveRows(response: IncomingMessage, path: string): Promise<void> {
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
