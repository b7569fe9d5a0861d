import type { ArrayData } from '../core/array-data.ts';
import type { ArrowField, ArrowType } from '../core/schema.ts';

/** Stands for buffers that hold nothing; long enough for whoever reads one offset or value all the same. */
export const ZEROS: Uint8Array = new Uint8Array(64);

/** Bytes of one view, see `utf8-view`. */
const VIEW_BYTES = 16;

/** Bytes of one value of a fixed-width type; null for every other type, bool included. */
export function fixedByteWidth(type: ArrowType): number | null {
  switch (type.kind) {
    case 'int':
    case 'float':
    case 'decimal':
    case 'time':
      return type.bitWidth / 8;
    case 'date':
      return type.unit === 'day' ? 4 : 8;
    case 'timestamp':
    case 'duration':
      return 8;
    case 'interval':
      return { 'year-month': 4, 'day-time': 8, 'month-day-nano': 16 }[type.unit];
    case 'fixed-size-binary':
      return type.byteWidth;
    default:
      return null;
  }
}

/** Bytes of one offset of a type with offsets (list views included); null for every other type. */
export function offsetByteWidth(type: ArrowType): 4 | 8 | null {
  switch (type.kind) {
    case 'utf8':
    case 'binary':
    case 'list':
    case 'map':
    case 'list-view':
      return 4;
    case 'large-utf8':
    case 'large-binary':
    case 'large-list':
    case 'large-list-view':
      return 8;
    default:
      return null;
  }
}

/**
 * The buffers of an array of a type, as bytes of each value in them: null for the validity bitmap, 1 for other bits and for
 * bytes. Children are left out, and so are the data buffers of views, of which there are as many as the array says.
 * @see https://arrow.apache.org/docs/format/Columnar.html#buffer-listing-for-each-layout
 */
export function bufferWidths(type: ArrowType): readonly (number | null)[] {
  const offsets = offsetByteWidth(type) ?? 4;
  switch (type.kind) {
    case 'null':
    case 'run-end-encoded':
      return [];
    case 'struct':
    case 'fixed-size-list':
      return [null];
    case 'union':
      return type.mode === 'sparse' ? [1] : [1, 4];
    case 'bool':
      return [null, 1];
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary':
      return [null, offsets, 1];
    case 'utf8-view':
    case 'binary-view':
      return [null, VIEW_BYTES];
    case 'list':
    case 'large-list':
    case 'map':
      return [null, offsets];
    case 'list-view':
    case 'large-list-view':
      return [null, offsets, offsets];
    default:
      return [null, fixedByteWidth(type)];
  }
}

/** The bytes of an array's buffers and of its children's, its dictionary left out. */
export function byteSize(array: ArrayData): number {
  const own = array.buffers.reduce((sum, buffer) => sum + (buffer?.length ?? 0), 0);
  return array.children.reduce((sum, child) => sum + byteSize(child), own);
}

/** Whether a type's values are text. */
export function isText(type: ArrowType): boolean {
  return type.kind === 'utf8' || type.kind === 'large-utf8' || type.kind === 'utf8-view';
}

/** An array of no rows. */
export function emptyArray(field: ArrowField): ArrayData {
  if (field.dictionary !== null) {
    const dictionary = emptyArray({ ...field, dictionary: null });
    return { field, length: 0, nullCount: 0, buffers: [null, ZEROS], children: [], dictionary };
  }
  const buffers = bufferWidths(field.type).map((width) => (width === null ? null : ZEROS));
  const children = field.children.map(emptyArray);
  return { field, length: 0, nullCount: 0, buffers, children, dictionary: null };
}
