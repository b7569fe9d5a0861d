import type { Command } from 'commander';
import type { StreamSummary } from '../core/operations.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { formatCount, writeFields, writeJson, writeTable } from './output.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  fetchJson,
  readConnection,
} from './server-connection.ts';

interface StreamsOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** `arrowport streams [NAME]`. */
export function registerStreamsCommand(program: Command, host: CliHost): void {
  addConnectionOptions(program.command('streams'))
    .description('list the streams of a server and the tables behind them, or show one with its schema')
    .argument('[name]', 'a stream')
    .option('--json', "print the server's answer as JSON")
    .addHelpText(
      'after',
      '\nLoads are told since the start of the server. Delta tables that no route names: arrowport delta list.',
    )
    .addHelpText('after', '\nExample:\n  $ arrowport streams\n  $ arrowport streams sensors --json')
    .action((name: string | undefined, options: StreamsOptions) =>
      name === undefined ? listStreams(options, host) : showStream(name, options, host),
    );
}

async function listStreams(options: StreamsOptions, host: CliHost): Promise<void> {
  const answer = await fetchJson(readConnection(options, host), '/streams');
  if (options.json === true) {
    writeJson(host.stdout, answer);
    return;
  }
  const streams = readStreams(answer);
  if (streams.length === 0 && host.stdout.isTTY === true) {
    host.stdout.write('No streams yet: send one with arrowport ingest STREAM FILE\n');
    return;
  }
  const rows = streams.map((stream) => summaryCells(stream, host));
  writeTable(
    host.stdout,
    [
      { title: 'stream' },
      { title: 'table' },
      { title: 'backend' },
      { title: 'rows', align: 'right' },
      { title: 'last load' },
    ],
    rows,
  );
}

async function showStream(name: string, options: StreamsOptions, host: CliHost): Promise<void> {
  const answer = await fetchJson(readConnection(options, host), `/streams/${encodeURIComponent(name)}`);
  if (options.json === true) {
    writeJson(host.stdout, answer);
    return;
  }
  if (!isSummary(answer)) throw unexpectedAnswer();
  const [stream = '', table = '', backend = '', rows = '', lastLoad = ''] = summaryCells(answer, host);
  writeFields(host.stdout, [
    ['stream', stream],
    ['table', table],
    ['backend', backend],
    ['rows', rows],
    ['last load', lastLoad],
  ]);
  if (answer.schema !== null) {
    host.stdout.write('\n');
    writeTable(
      host.stdout,
      [{ title: 'column' }, { title: 'type' }, { title: 'nullable' }],
      answer.schema.map((column) => [column.name, column.type, column.nullable ? 'yes' : 'no']),
    );
  }
  showLoads(answer, host);
}

/** One load is told above already. */
function showLoads({ last_loads: loads = [] }: StreamSummary, host: CliHost): void {
  if (loads.length < 2) return;
  host.stdout.write('\n');
  writeTable(
    host.stdout,
    [
      { title: 'committed at' },
      { title: 'rows', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'commit' },
    ],
    loads.map(({ committed_at, rows, bytes, commit_id }) => [
      committed_at,
      formatCount(host.stdout, rows),
      formatCount(host.stdout, bytes),
      commit_id,
    ]),
  );
}

function summaryCells(stream: StreamSummary, host: CliHost): string[] {
  const { last_load: load } = stream;
  return [
    stream.stream,
    stream.table,
    stream.storage_backend,
    stream.row_count === null ? '-' : formatCount(host.stdout, stream.row_count),
    load === null
      ? '-'
      : `${load.committed_at} (${formatCount(host.stdout, load.rows)} ${load.rows === 1 ? 'row' : 'rows'})`,
  ];
}

function readStreams(answer: unknown): StreamSummary[] {
  const list = typeof answer === 'object' && answer !== null && 'streams' in answer ? answer.streams : answer;
  if (!Array.isArray(list) || !list.every(isSummary)) throw unexpectedAnswer();
  return list;
}

function isSummary(value: unknown): value is StreamSummary {
  return typeof value === 'object' && value !== null && 'stream' in value && 'table' in value;
}

function unexpectedAnswer(): CliFailure {
  return new CliFailure('refused', 'the answer lists no streams: check that --url names an Arrowport server');
}
