import type { ArrowField } from './schema.ts';

/**
 * One array as the columnar format lays it out in memory: decompressed, native byte order, checked.
 * Buffers stand in the order of the C data interface (validity first, also for types where it is null;
 * view types: validity, views, then their data buffers; unions and null arrays have no validity).
 * @see https://arrow.apache.org/docs/format/CDataInterface.html
 */
export interface ArrayData {
  readonly field: ArrowField;
  readonly length: number;
  readonly nullCount: number;
  /** Null stands for an absent validity bitmap. Every buffer starts at a multiple of 8 bytes. */
  readonly buffers: readonly (Uint8Array | null)[];
  readonly children: readonly ArrayData[];
  /** The values that a dictionary-encoded array's indices point into; null elsewhere. */
  readonly dictionary: ArrayData | null;
}
