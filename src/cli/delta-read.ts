import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type DeltaOptions, deltaPath, openAnswer } from './delta-request.ts';
import { brokenOff, writeRowLines, writeRowTable } from './delta-rows.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { checkFolder, chooseRowFormat, type RowFormat, rowFormats, saveRows } from './row-file.ts';

/** Options of `arrowport delta read`. */
export interface ReadOptions extends DeltaOptions {
  readonly version?: number;
  readonly timestamp?: string;
  readonly columns?: readonly string[];
  readonly filter?: string;
  readonly limit?: number;
  readonly format?: RowFormat;
  readonly output?: string;
  /** Read the change data feed instead, from one version to another, both included. */
  readonly changes?: { readonly from?: number; readonly to?: number };
}

/** A terminal is not flooded: without `--limit` it shows this many rows. */
const TERMINAL_ROWS = 100;

/** `arrowport delta read TABLE`. */
export async function readTable(table: string, options: ReadOptions, host: CliHost): Promise<void> {
  if (options.version !== undefined && options.timestamp !== undefined) {
    throw new CliFailure('usage', '--version and --timestamp exclude each other: give one of them');
  }
  const format = chooseRowFormat(options, host);
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
  const { version, timestamp, columns, filter, changes } = options;
  const selection = { columns: columns?.join(','), filter, limit };
  if (changes !== undefined)
    return openAnswer(options, host, deltaPath(table, '/changes'), { ...changes, ...selection }, accept);
  const path = deltaPath(table, version === undefined ? '/rows' : `/version/${version}`);
  return openAnswer(options, host, path, { timestamp, ...selection }, accept);
}
