/** Where one encapsulated message of a stream stands. */
export interface MessagePlace {
  /** Of its continuation marker. */
  readonly start: number;
  readonly metadata: number;
  readonly metadataLength: number;
  readonly body: number;
  readonly end: number;
}

/** A number in the bytes that means something: a length, an offset, a count, a type. */
export interface Scalar {
  readonly position: number;
  readonly size: 1 | 2 | 4 | 8;
}

const FILE_MAGIC_BYTES = 8;
const MAX_MESSAGES = 64;

/** Finds the messages of a stream or file, up to the first one that does not make sense. */
export function findMessages(bytes: Uint8Array): readonly MessagePlace[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFile = Buffer.from(bytes.subarray(0, 6)).toString('latin1') === 'ARROW1';
  const places: MessagePlace[] = [];
  let start = isFile ? FILE_MAGIC_BYTES : 0;
  while (start + 8 <= bytes.byteLength && places.length < MAX_MESSAGES) {
    if (view.getUint32(start, true) !== 0xffffffff) break;
    const metadataLength = view.getUint32(start + 4, true);
    if (metadataLength === 0 || start + 8 + metadataLength > bytes.byteLength) break;
    const metadata = start + 8;
    const body = metadata + metadataLength;
    const end = body + bodyLength(view, metadata);
    if (!(end >= body && end <= bytes.byteLength)) break;
    places.push({ start, metadata, metadataLength, body, end });
    start = end;
  }
  return places;
}

/** The body length in a flatbuffer `Message`: its fourth field. NaN where the metadata leads elsewhere. */
function bodyLength(view: DataView, metadata: number): number {
  try {
    const table = metadata + view.getUint32(metadata, true);
    const position = fieldPosition(view, table, 3);
    return position === 0 ? 0 : Number(view.getBigInt64(position, true));
  } catch {
    return Number.NaN;
  }
}

function fieldPosition(view: DataView, table: number, slot: number): number {
  const vtable = table - view.getInt32(table, true);
  const entry = 4 + 2 * slot;
  if (entry >= view.getUint16(vtable, true)) return 0;
  const offset = view.getUint16(vtable + entry, true);
  return offset === 0 ? 0 : table + offset;
}

/**
 * Finds the numbers of a message's metadata without knowing its schema: the entries of tables' vtables, the fields
 * that they place, the counts of vectors and what stands in them.
 */
export function findScalars(bytes: Uint8Array, place: MessagePlace): readonly Scalar[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = place.metadata + place.metadataLength;
  const scalars: Scalar[] = [{ position: place.metadata, size: 4 }];
  const seen = new Set<number>();
  const inside = (position: number, size: number) => position >= place.metadata && position + size <= end;
  const visitVector = (start: number) => {
    scalars.push({ position: start, size: 4 });
    const count = Math.min(view.getUint32(start, true), 16);
    for (let element = 0; element < count * 2 && inside(start + 4 + element * 8, 8); element += 1) {
      scalars.push({ position: start + 4 + element * 8, size: 8 });
    }
    for (let element = 0; element < count && inside(start + 4 + element * 4, 4); element += 1) {
      const position = start + 4 + element * 4;
      visit(position + view.getUint32(position, true));
    }
  };
  const visit = (table: number) => {
    if (!inside(table, 4) || seen.has(table) || seen.size > 200) return;
    seen.add(table);
    const vtable = table - view.getInt32(table, true);
    if (!inside(vtable, 4)) return;
    const vtableSize = view.getUint16(vtable, true);
    if (vtableSize < 4 || vtableSize > 64 || !inside(vtable, vtableSize)) return;
    scalars.push(
      { position: table, size: 4 },
      { position: vtable, size: 2 },
      { position: vtable + 2, size: 2 },
    );
    for (let entry = 4; entry < vtableSize; entry += 2) {
      const offset = view.getUint16(vtable + entry, true);
      scalars.push({ position: vtable + entry, size: 2 });
      const position = table + offset;
      if (offset < 4 || !inside(position, 4)) continue;
      for (const size of [1, 2, 4, 8] as const) if (inside(position, size)) scalars.push({ position, size });
      const target = position + view.getUint32(position, true);
      if (!inside(target, 8) || target % 4 !== 0) continue;
      visit(target);
      visitVector(target);
    }
  };
  visit(place.metadata + view.getUint32(place.metadata, true));
  return scalars;
}
