import { styleText } from 'node:util';
import Table from 'cli-table3';
import { fitColumns, type TableColumn } from './fit-columns.ts';
import type { TerminalStream } from './host.ts';

type Style = Parameters<typeof styleText>[0];

/** Colours text where the stream is a terminal that wants colour (NO_COLOR and FORCE_COLOR are honoured). */
export function paint(stream: TerminalStream, style: Style, text: string): string {
  return stream.isTTY === true ? styleText(style, text, { stream }) : text;
}

/** Writes a value as JSON: indented on a terminal, one line elsewhere. */
export function writeJson(stream: TerminalStream, value: unknown): void {
  stream.write(`${JSON.stringify(value, null, stream.isTTY === true ? 2 : undefined)}\n`);
}

/**
 * Writes rows as a table on a terminal, as tab-separated lines with a header elsewhere. With `fit`, texts are cut where the
 * terminal is narrower than they are, and where that is not enough each row is a list of its fields; the result tells
 * whether texts were cut.
 */
export function writeTable(
  stream: TerminalStream,
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  { fit = false }: { readonly fit?: boolean } = {},
): { readonly isCut: boolean } {
  if (stream.isTTY !== true) {
    const lines = [columns.map((column) => column.title), ...rows];
    stream.write(lines.map((cells) => `${cells.map(oneLine).join('\t')}\n`).join(''));
    return { isCut: false };
  }
  const fitted = fit ? fitColumns(columns, rows, stream.columns ?? 0) : 'whole';
  if (fitted === 'none') {
    writeRowLists(stream, columns, rows);
    return { isCut: false };
  }
  const table = new Table({
    ...(fitted === 'whole' ? {} : { colWidths: [...fitted] }),
    head: columns.map((column) => paint(stream, 'bold', column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push([...row]);
  stream.write(`${table.toString()}\n`);
  return { isCut: fitted !== 'whole' };
}

function writeRowLists(
  stream: TerminalStream,
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): void {
  for (const [at, row] of rows.entries()) {
    stream.write(`── row ${at + 1}\n`);
    writeFields(
      stream,
      columns.map(({ title }, column) => [title, row[column] ?? '']),
    );
  }
}

/** Writes one line for each field: its name and its value, in columns on a terminal, a tab between them elsewhere. */
export function writeFields(
  stream: TerminalStream,
  fields: readonly (readonly [name: string, value: string])[],
): void {
  const widest = Math.max(0, ...fields.map(([name]) => name.length));
  for (const [name, value] of fields) {
    const space = stream.isTTY === true ? ' '.repeat(widest - name.length + 2) : '\t';
    stream.write(`${paint(stream, 'bold', name)}${space}${oneLine(value)}\n`);
  }
}

/** The text with every run of control characters turned into one space, so that it stays on its line. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

/** A count with thousands separators on a terminal, plain digits elsewhere. */
export function formatCount(stream: TerminalStream, count: number): string {
  return stream.isTTY === true ? count.toLocaleString('en-US') : String(count);
}

/** A number of bytes in the unit that reads best. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit] ?? ''}`;
}
