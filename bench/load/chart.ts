import type { SummaryRow } from './report.ts';

const width = 860;
const labelWidth = 300;
const barHeight = 26;
const rowHeight = 40;
const top = 56;
const valueWidth = 110;

/** A bar chart of rows a second as an SVG picture that reads on light and dark pages. */
export function renderChart(summary: readonly SummaryRow[]): string {
  const height = top + summary.length * rowHeight + 16;
  const most = Math.max(...summary.map((row) => row.rowsPerSecond));
  const bars = summary.map((row, index) => renderBar(row, top + index * rowHeight, most));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Rows a second into a DuckDB file">
<style>
  text { font: 14px system-ui, sans-serif; fill: #1f2937 }
  .title { font-weight: 600; font-size: 16px }
  .own { fill: #2563eb } .peer { fill: #9ca3af }
</style>
<rect width="${width}" height="${height}" rx="8" fill="#ffffff"/>
<text class="title" x="16" y="30">Million rows a second into a DuckDB file, until durable (median)</text>
${bars.join('\n')}
</svg>
`;
}

function renderBar(row: SummaryRow, y: number, most: number): string {
  const length = (row.rowsPerSecond / most) * (width - labelWidth - valueWidth);
  const kind = row.ratio === undefined ? 'peer' : 'own';
  const value = (row.rowsPerSecond / 1e6).toFixed(2);
  const text = row.ratio === undefined ? value : `${value}  (${row.ratio.toFixed(2)} ×)`;
  const baseline = y + barHeight / 2 + 5;
  return [
    `<text x="${labelWidth - 12}" y="${baseline}" text-anchor="end">${row.title}</text>`,
    `<rect class="${kind}" x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="3"/>`,
    `<text x="${(labelWidth + length + 8).toFixed(1)}" y="${baseline}">${text}</text>`,
  ].join('\n');
}
