import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type DeltaOptions, openAnswer, readWholeNumber } from './delta-request.ts';
import { brokenOff } from './delta-rows.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { shownRows, writeAnswerLines, writeAnswerTable } from './query-rows.ts';
import { checkFolder, chooseRowFormat, type RowOutputOptions, rowFormats, saveRows } from './row-file.ts';
import { addConnectionOptions } from './server-connection.ts';

interface QueryOptions extends DeltaOptions, RowOutputOptions {
  readonly json?: boolean;
  readonly parameters?: string;
  readonly maxRows?: number;
  readonly timeoutMs?: number;
}

/** A terminal is not flooded: without `--max-rows` it shows this many rows. */
const terminalRows = 100;

/** `arrowport query "SQL"`. */
export function registerQueryCommand(program: Command, host: CliHost): void {
  addConnectionOptions(program.command('query'))
    .description('run a SQL statement on a server: a table on a terminal, or rows in a format')
    .argument('<sql>', 'the statement, or - to read it from standard input')
    .option('--parameters <json>', 'values of ? in a JSON array, or of $name in an object', readParameters)
    .option('--max-rows <n>', 'rows to answer at most', readWholeNumber)
    .option('--timeout-ms <ms>', 'how long the query may take', readWholeNumber)
    .addOption(new Option('--format <name>', 'the form of the rows').choices(Object.keys(rowFormats)))
    .option('--output <file>', 'write the rows to a file; its ending tells the format')
    .option('--json', 'the same as --format json')
    .addHelpText(
      'after',
      `\nExample:\n  $ arrowport query "SELECT city, max(celsius) FROM weather GROUP BY city"\n  $ arrowport query "SELECT * FROM weather" --output weather.parquet`,
    )
    .action((sql: string, options: QueryOptions) => runQuery(sql, options, host));
}

async function runQuery(argument: string, options: QueryOptions, host: CliHost): Promise<void> {
  const sql = argument === '-' ? await readInput(host) : argument;
  if (sql.trim() === '')
    throw new CliFailure('usage', 'there is no statement: give it in quotes, or - and a file');
  const format = chooseRowFormat(options, host);
  const output = options.output === undefined ? undefined : resolve(host.cwd, options.output);
  if (output !== undefined) await checkFolder(output);
  if (format === undefined) return showRows(sql, options, host);
  const response = await open(sql, options, host, options.maxRows, rowFormats[format]);
  if (output !== undefined) {
    await saveRows(response, output);
    tellTruncated(response, host);
    return;
  }
  try {
    await pipeline(response, host.stdout, { end: false });
  } catch (error) {
    throw brokenOff(error);
  }
  tellTruncated(response, host);
}

async function showRows(sql: string, options: QueryOptions, host: CliHost): Promise<void> {
  if (host.stdout.isTTY !== true) {
    const response = await open(sql, options, host, options.maxRows, shownRows);
    await writeAnswerLines(response, host);
    tellTruncated(response, host);
    return;
  }
  const shown = options.maxRows ?? terminalRows;
  const response = await open(sql, options, host, options.maxRows ?? shown + 1, shownRows);
  const { hasMore, isCut } = await writeAnswerTable(response, host, shown);
  if (isCut) host.stderr.write('Texts that end in … are longer: --format csv or ndjson shows them whole\n');
  if (hasMore) host.stderr.write(`These are the first ${shown} rows: --max-rows N shows more\n`);
  else tellTruncated(response, host);
}

function open(
  sql: string,
  options: QueryOptions,
  host: CliHost,
  maxRows: number | undefined,
  accept: string,
): Promise<IncomingMessage> {
  const { parameters = '[]', timeoutMs } = options;
  const document = `{"sql":${JSON.stringify(sql)},"parameters":${parameters}}`;
  return openAnswer(options, host, '/query', { max_rows: maxRows, timeout_ms: timeoutMs }, accept, document);
}

/** Rows left out are told apart from the rows. */
function tellTruncated(response: IncomingMessage, host: CliHost): void {
  const said = response.headers['arrowport-truncated'] ?? response.trailers['arrowport-truncated'];
  if (said === 'true') host.stderr.write('There are more rows: --max-rows left them out\n');
}

/** The text as it is: numbers keep their digits. */
function readParameters(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return text;
  } catch {
    // The same advice as for JSON that is neither.
  }
  throw new InvalidArgumentError('use a JSON array such as \'[1, "a"]\', or an object.');
}

async function readInput(host: CliHost): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of host.stdin) parts.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(parts).toString('utf8');
}
