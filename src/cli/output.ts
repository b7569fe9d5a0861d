import { styleText } from 'node:util';
import Table from 'cli-table3';
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

/** One column of a table; numbers stand right. */
export interface TableColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Writes rows as a table on a terminal, as tab-separated lines with a header elsewhere. */
export function writeTable(
  stream: TerminalStream,
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): void {
  if (stream.isTTY !== true) {
    const lines = [columns.map((column) => column.title), ...rows];
    stream.write(lines.map((cells) => `${cells.map(oneLine).join('\t')}\n`).join(''));
    return;
  }
  const table = new Table({
    head: columns.map((column) => paint(stream, 'bold', column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push([...row]);
  stream.write(`${table.toString()}\n`);
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
