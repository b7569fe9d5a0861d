const NEWLINE = 0x0a;
const COMMA = 0x2c;

/** Turns newline-delimited JSON into one JSON array, as it streams by. Newlines inside strings are escaped, so each one ends a row. */
export async function* toJsonArray(lines: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield Buffer.from('[');
  let pendingComma = false;
  for await (const chunk of lines) {
    if (chunk.byteLength === 0) continue;
    if (pendingComma) yield Buffer.from(',');
    pendingComma = chunk[chunk.byteLength - 1] === NEWLINE;
    const rows = Uint8Array.prototype.slice.call(chunk, 0, pendingComma ? -1 : undefined);
    for (let at = rows.indexOf(NEWLINE); at >= 0; at = rows.indexOf(NEWLINE, at + 1)) rows[at] = COMMA;
    yield rows;
  }
  yield Buffer.from(']\n');
}
