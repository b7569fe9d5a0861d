import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { oneLine, writeTable } from './output.ts';

/** One row: its columns in order. */
type Row = readonly (readonly [column: string, value: unknown])[];

/** Lines of text are written together up to about this length. */
const CHUNK_CHARACTERS = 65_536;

/** Writes rows as tab-separated lines as they come, no faster than they are read. NULLs are `NULL`. */
export async function writeRowLines(response: IncomingMessage, host: CliHost): Promise<void> {
  let text = '';
  let isFirst = true;
  const flush = async () => {
    if (text !== '' && !host.stdout.write(text)) await once(host.stdout, 'drain');
    text = '';
  };
  for await (const row of readRows(response)) {
    if (isFirst) text += `${row.map(([column]) => oneLine(column)).join('\t')}\n`;
    isFirst = false;
    text += `${row.map(([, value]) => oneLine(formatValue(value))).join('\t')}\n`;
    if (text.length >= CHUNK_CHARACTERS) await flush();
  }
  await flush();
}

/** Writes rows as one table, at most `shown` of them; the result tells whether there were more. */
export async function writeRowTable(
  response: IncomingMessage,
  host: CliHost,
  shown: number,
): Promise<{ readonly hasMore: boolean }> {
  const rows: Row[] = [];
  for await (const row of readRows(response)) {
    rows.push(row);
    if (rows.length > shown) break;
  }
  const [first] = rows;
  if (first === undefined) {
    host.stdout.write('No rows.\n');
    return { hasMore: false };
  }
  writeTable(
    host.stdout,
    first.map(([title, value]) => ({ title, align: value instanceof JsonNumber ? 'right' : 'left' })),
    rows.slice(0, shown).map((row) => row.map(([, value]) => oneLine(formatValue(value)))),
  );
  return { hasMore: rows.length > shown };
}

async function* readRows(response: IncomingMessage): AsyncGenerator<Row> {
  for await (const line of readLines(response)) {
    if (line.trim() === '') continue;
    const row: unknown = parseExactly(line);
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw new CliFailure('refused', 'the answer has no rows: check that --url names an Arrowport server');
    }
    yield Object.entries(row);
  }
}

async function* readLines(response: IncomingMessage): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const chunk of response) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    throw brokenOff(error);
  }
  if (rest !== '') yield rest;
}

/** An answer that ended before its end, as the failure that ends the command. */
export function brokenOff(error: unknown): CliFailure {
  return new CliFailure('unreachable', 'the server broke off its answer, so rows are missing: try again', {
    cause: error,
  });
}

/** A number as its text says, since 64-bit integers and decimals do not fit a JavaScript number. */
class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toJSON(): number | string {
    const value = Number(this.source);
    return String(value) === this.source ? value : this.source;
  }
}

/** Parses JSON with every digit of its numbers; `undefined` for what is none. */
export function parseExactly(text: string): unknown {
  try {
    return JSON.parse(text, (_name: string, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' ? new JsonNumber(context?.source ?? String(value)) : value,
    );
  } catch {
    return undefined;
  }
}

/** A parsed value as tables show it. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof JsonNumber) return value.source;
  return typeof value === 'string'
    ? value
    : typeof value === 'boolean'
      ? String(value)
      : JSON.stringify(value);
}
