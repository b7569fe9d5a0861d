/** One column of a table; numbers stand right. */
export interface TableColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** The spaces at the sides of a cell; the lines between cells come to one more for each, and one at the end. */
const PADDING = 2;
/** No text is cut shorter than this. */
const LEAST = 12;
const wide =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** How a table goes into a terminal: as it is, with columns of these widths (padding included), or not at all. */
export type TableFit = 'whole' | 'none' | readonly number[];

/**
 * Says how a table goes into a terminal of so many characters; 0 where nothing is known of it, which fits all. The widest
 * texts are cut first, numbers never.
 */
export function fitColumns(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  terminalColumns: number,
): TableFit {
  const natural = columns.map(({ title }, at) =>
    rows.reduce((most, row) => Math.max(most, widthOf(row[at] ?? '')), widthOf(title)),
  );
  const room = terminalColumns - (columns.length * (PADDING + 1) + 1);
  const total = natural.reduce((sum, width) => sum + width, 0);
  if (terminalColumns === 0 || total <= room) return 'whole';
  const isText = columns.map(({ align }) => align !== 'right');
  const fixed = natural.reduce((sum, width, at) => (isText[at] ? sum : sum + width), 0);
  const cap = findCap(
    natural.filter((_, at) => isText[at]),
    room - fixed,
  );
  const widths = natural.map((width, at) => (isText[at] ? Math.min(width, cap) : width));
  const isTooWide = widths.reduce((sum, width) => sum + width, 0) > room;
  return isTooWide ? 'none' : widths.map((width) => width + PADDING);
}

/** The greatest width with which texts cut to it fit into the room between them. */
function findCap(widths: readonly number[], room: number): number {
  let left = room;
  const ascending = [...widths].sort((a, b) => a - b);
  for (const [at, width] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - at));
    if (width > share) return Math.max(share, LEAST);
    left -= width;
  }
  return Math.max(...widths, LEAST);
}

function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += wide.test(character) ? 2 : 1;
  return width;
}
