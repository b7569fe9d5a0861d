import type { ArrayData } from '../../core/array-data.ts';
import type { ArrowField } from '../../core/schema.ts';
import type { WireObject } from './wire-values.ts';

/** Decoded columns as they are handed to the worker, which reads them where they are. */
export interface LaidOutBatch {
  /** What the arrays are, with the places of their buffers in the bytes. */
  readonly header: WireObject;
  /** The bytes, in order. */
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

/** Each buffer starts at a multiple of this, as Arrow recommends. */
const ALIGNMENT = 64;
const PADDING = new Uint8Array(ALIGNMENT);
/** Stands for a buffer that is absent. */
const ABSENT = -1;

const handedKinds = new Set<string>([
  'bool',
  'int',
  'float',
  'decimal',
  'utf8',
  'large-utf8',
  'binary',
  'large-binary',
  'fixed-size-binary',
  'date',
  'time',
  'timestamp',
  'list',
  'large-list',
  'fixed-size-list',
  'struct',
  'map',
]);

/** Whether columns can be handed on as arrays: those whose buffers say everything, no dictionaries, views or unions. */
export function canHandArrays(fields: readonly ArrowField[]): boolean {
  return fields.every(
    ({ type, dictionary, children }) =>
      dictionary === null && handedKinds.has(type.kind) && canHandArrays(children),
  );
}

/** How many arrays the columns are made of, children included. */
export function countArrays(fields: readonly ArrowField[]): number {
  return fields.reduce((sum, { children }) => sum + 1 + countArrays(children), 0);
}

/** Lays the columns of a batch out, without copying a buffer. They must be such as {@link canHandArrays} takes. */
export function layOutBatch(columns: readonly ArrayData[], rows: number): LaidOutBatch {
  const arrays: unknown[] = [];
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const place = (buffer: Uint8Array | null): number => {
    if (buffer === null) return ABSENT;
    const start = bytes;
    if (buffer.byteLength === 0) return start;
    const padding = (ALIGNMENT - (buffer.byteLength % ALIGNMENT)) % ALIGNMENT;
    parts.push(buffer);
    if (padding > 0) parts.push(PADDING.subarray(0, padding));
    bytes += buffer.byteLength + padding;
    return start;
  };
  const describe = ({ length, nullCount, buffers, children }: ArrayData): void => {
    arrays.push([length, nullCount, buffers.map(place), children.length]);
    for (const child of children) describe(child);
  };
  for (const column of columns) describe(column);
  return { header: { rows, columns: columns.length, arrays }, parts, bytes };
}
