import { type AnswerObject, formatCell, formatDeltaType, readList, readObject } from './delta-answer.ts';
import { type DeltaOptions, deltaPath, getJson } from './delta-request.ts';
import type { CliHost } from './host.ts';
import { formatBytes, formatCount, writeFields, writeJson, writeTable } from './output.ts';

/** `arrowport delta list`. */
export async function listTables(options: DeltaOptions, host: CliHost): Promise<void> {
  const answer = await getJson(options, host, '/delta');
  if (options.json === true) return writeJson(host.stdout, answer);
  const tables = readList(answer, 'tables');
  if (tables.length === 0 && host.stdout.isTTY === true) {
    host.stdout.write('No Delta tables yet: route a stream to delta, or POST to /delta/TABLE\n');
    return;
  }
  writeTable(
    host.stdout,
    [
      { title: 'table' },
      { title: 'version', align: 'right' },
      { title: 'files', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'rows', align: 'right' },
    ],
    tables.map(({ name, version, files, bytes, rows }) => [
      String(name),
      formatCell(host, version),
      formatCell(host, files),
      formatSize(host, bytes),
      formatCell(host, rows),
    ]),
  );
}

/** `arrowport delta info TABLE`. */
export async function showTable(table: string, options: DeltaOptions, host: CliHost): Promise<void> {
  const answer = await getJson(options, host, deltaPath(table, '/info'));
  if (options.json === true) return writeJson(host.stdout, answer);
  const info = readObject(answer);
  const partitions = Array.isArray(info['partitions']) ? info['partitions'] : [];
  writeFields(host.stdout, [
    ['table', formatCell(host, info['table'])],
    ['version', formatCell(host, info['version'])],
    ['files', formatCell(host, info['file_count'])],
    ['bytes', formatSize(host, info['total_size_bytes'])],
    ['rows', formatCell(host, info['row_count'])],
    ['partitions', partitions.length === 0 ? '-' : partitions.join(', ')],
    ...formatProperties(info['properties']),
  ]);
  host.stdout.write('\n');
  writeTable(
    host.stdout,
    [{ title: 'column' }, { title: 'type' }, { title: 'nullable' }],
    readList(info['schema'], 'fields').map(({ name, type, nullable }) => [
      String(name),
      formatDeltaType(type),
      formatCell(host, nullable),
    ]),
  );
}

/** `arrowport delta history TABLE`. */
export async function showHistory(
  table: string,
  options: DeltaOptions & { readonly limit?: number },
  host: CliHost,
): Promise<void> {
  const answer = await getJson(options, host, deltaPath(table, '/history'), { limit: options.limit });
  if (options.json === true) return writeJson(host.stdout, answer);
  writeTable(
    host.stdout,
    [
      { title: 'version', align: 'right' },
      { title: 'time' },
      { title: 'operation' },
      { title: 'parameters' },
    ],
    readList(answer, 'history').map((commit) => [
      formatCount(host.stdout, Number(commit['version'])),
      formatTime(commit['timestamp']),
      formatCell(host, commit['operation']),
      formatParameters(commit['operationParameters']),
    ]),
  );
}

function formatSize(host: CliHost, bytes: unknown): string {
  if (typeof bytes !== 'number') return '-';
  return host.stdout.isTTY === true ? formatBytes(bytes) : String(bytes);
}

function formatProperties(properties: unknown): [string, string][] {
  if (typeof properties !== 'object' || properties === null) return [];
  return Object.entries(properties).map(([name, value]) => [name, String(value)]);
}

/** Logs count milliseconds since 1970. */
function formatTime(timestamp: unknown): string {
  if (typeof timestamp !== 'number') return typeof timestamp === 'string' ? timestamp : '-';
  return new Date(timestamp).toISOString();
}

function formatParameters(parameters: unknown): string {
  if (typeof parameters !== 'object' || parameters === null) return '-';
  const entries = Object.entries(parameters as AnswerObject);
  if (entries.length === 0) return '-';
  return entries
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
