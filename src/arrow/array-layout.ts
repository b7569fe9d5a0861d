import type { ArrayData } from '../core/array-data.ts';
import type { ArrowField, ArrowType } from '../core/schema.ts';

/** Stands for buffers that hold nothing; long enough for whoever reads one offset or value all the same. */
export const ZEROS: Uint8Array = new Uint8Array(64);

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
  const children = field.children.map(emptyArray);
  return { field, length: 0, nullCount: 0, buffers: emptyBuffers(field.type), children, dictionary: null };
}

function emptyBuffers(type: ArrowType): (Uint8Array | null)[] {
  switch (type.kind) {
    case 'null':
    case 'run-end-encoded':
      return [];
    case 'struct':
    case 'fixed-size-list':
      return [null];
    case 'union':
      return type.mode === 'sparse' ? [ZEROS] : [ZEROS, ZEROS];
    case 'utf8':
    case 'binary':
    case 'large-utf8':
    case 'large-binary':
    case 'list-view':
    case 'large-list-view':
      return [null, ZEROS, ZEROS];
    default:
      return [null, ZEROS];
  }
}
