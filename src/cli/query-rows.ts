import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { brokenOff, formatValue, parseExactly } from './delta-rows.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { oneLine, writeTable } from './output.ts';

/** What is asked of the server for rows that are shown: it tells columns apart that have one name, also without rows. */
export const shownRows = 'application/json';

interface Column {
  readonly name: string;
  readonly type: string;
}

/** Lines of text are written together up to about this length. */
const CHUNK_CHARACTERS = 65_536;
const ROWS = '"rows":[';
const numbers =
  /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|U(TINY|SMALL|BIG|HUGE)INT|DECIMAL\(.*\)|FLOAT|DOUBLE|BIGNUM)$/;

/** Writes the rows of an answer as tab-separated lines as they come, no faster than they are read. NULLs are `NULL`. */
export async function writeAnswerLines(response: IncomingMessage, host: CliHost): Promise<void> {
  const { columns, rows } = await openAnswer(response);
  if (isPlan(columns)) {
    await writePlan(rows, host);
    return;
  }
  let text = `${columns.map(({ name }) => oneLine(name)).join('\t')}\n`;
  for await (const row of rows) {
    text += `${row.map((value) => oneLine(formatValue(value))).join('\t')}\n`;
    if (text.length < CHUNK_CHARACTERS) continue;
    if (!host.stdout.write(text)) await once(host.stdout, 'drain');
    text = '';
  }
  host.stdout.write(text);
}

/**
 * Writes the rows of an answer as one table, at most `shown` of them; the result tells whether there were more, and whether
 * texts were cut to go into the terminal.
 */
export async function writeAnswerTable(
  response: IncomingMessage,
  host: CliHost,
  shown: number,
): Promise<{ readonly hasMore: boolean; readonly isCut: boolean }> {
  const { columns, rows } = await openAnswer(response);
  if (isPlan(columns)) {
    await writePlan(rows, host);
    return { hasMore: false, isCut: false };
  }
  const cells: string[][] = [];
  let hasMore = false;
  for await (const row of rows) {
    hasMore = cells.length === shown;
    if (hasMore) break;
    cells.push(row.map((value) => oneLine(formatValue(value))));
  }
  const { isCut } = writeTable(
    host.stdout,
    columns.map(({ name, type }) => ({ title: oneLine(name), align: numbers.test(type) ? 'right' : 'left' })),
    cells,
    { fit: true },
  );
  if (cells.length === 0) host.stdout.write('No rows.\n');
  return { hasMore, isCut };
}

/** What EXPLAIN answers: drawings of many lines, which are no cells. */
function isPlan(columns: readonly Column[]): boolean {
  return columns.map(({ name }) => name).join() === 'explain_key,explain_value';
}

async function writePlan(rows: AsyncIterable<readonly unknown[]>, host: CliHost): Promise<void> {
  for await (const [, drawing] of rows) host.stdout.write(`${formatPlan(drawing)}\n`);
}

/** The drawing without what would steer a terminal. */
function formatPlan(drawing: unknown): string {
  return formatValue(drawing).trimEnd().split('\n').map(keepSpaces).join('\n');
}

function keepSpaces(line: string): string {
  return line.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trimEnd();
}

interface Answer {
  readonly columns: readonly Column[];
  readonly rows: AsyncIterable<readonly unknown[]>;
}

async function openAnswer(response: IncomingMessage): Promise<Answer> {
  const pieces = readText(response);
  let head = '';
  // In a name the quotation marks of these characters would be escaped.
  while (!head.includes(ROWS)) {
    const { done, value } = await pieces.next();
    if (done === true) throw unexpected();
    head += value;
  }
  const at = head.indexOf(ROWS);
  const { columns } = (parseExactly(`${head.slice(0, at)}"rows":[]}`) ?? {}) as { columns?: Column[] };
  if (!Array.isArray(columns)) throw unexpected();
  return { columns, rows: readRows(head.slice(at + ROWS.length), pieces) };
}

/** The rows as they come, each cut out of the text by its brackets. */
async function* readRows(start: string, pieces: AsyncGenerator<string>): AsyncGenerator<readonly unknown[]> {
  try {
    for await (const text of cutRows(start, pieces)) {
      const values: unknown = parseExactly(text);
      if (!Array.isArray(values)) throw unexpected();
      yield values;
    }
    // What follows the rows, a trailer among it, is read to its end.
    for await (const _ of pieces);
  } finally {
    await pieces.return(undefined);
  }
}

async function* cutRows(start: string, pieces: AsyncGenerator<string>): AsyncGenerator<string> {
  let text = start;
  let row = 0;
  let depth = 0;
  let inText = false;
  for (let at = 0; ; at += 1) {
    while (at >= text.length) {
      const { done, value } = await pieces.next();
      if (done === true) throw brokenOff(undefined);
      text = text.slice(row) + value;
      at -= row;
      row = 0;
    }
    const sign = text[at];
    if (inText) {
      // What is escaped is one character, or begins with one that ends no text.
      if (sign === '\\') at += 1;
      else if (sign === '"') inText = false;
    } else if (sign === '"') inText = true;
    else if (sign === '[' || sign === '{') depth += 1;
    else if (sign === ']' || sign === '}') {
      if (depth === 0) return;
      depth -= 1;
      if (depth > 0) continue;
      yield text.slice(row, at + 1);
      row = at + 1;
    } else if (sign === ',' && depth === 0) row = at + 1;
  }
}

async function* readText(response: IncomingMessage): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response) yield decoder.decode(chunk as Buffer, { stream: true });
  } catch (error) {
    throw brokenOff(error);
  }
}

function unexpected(): CliFailure {
  return new CliFailure('refused', 'the answer has no rows: check that --url names an Arrowport server');
}
