import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findPackedColumns } from '../../../src/backends/delta/packed-columns.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import type { ArrowType } from '../../../src/core/schema.ts';

const ROWS = 100_000;
const int64: ArrowType = { kind: 'int', bitWidth: 64, signed: true };
const int32: ArrowType = { kind: 'int', bitWidth: 32, signed: true };

function column(type: ArrowType, data: ArrayBufferView, length: number, validity?: Uint8Array): ArrayData {
  return {
    field: { name: 'x', type, nullable: true, children: [], dictionary: null, metadata: new Map() },
    length,
    nullCount: 0,
    buffers: [validity ?? null, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
    children: [],
    dictionary: null,
  };
}

/** The same numbers in every run, all different from each other. */
function createNoise(): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const longs = (valueAt: (row: number) => bigint, rows = ROWS) =>
  column(
    int64,
    BigInt64Array.from({ length: rows }, (_, row) => valueAt(row)),
    rows,
  );
const isPacked = (array: ArrayData) => findPackedColumns([array]).length === 1;

describe('Integers are packed as differences', () => {
  it('where they count up, are times, or have few digits and more values than a dictionary holds', () => {
    const noise = createNoise();
    assert.ok(isPacked(longs((row) => BigInt(row))));
    assert.ok(isPacked(longs((row) => 2n ** 62n + BigInt(row))));
    assert.ok(isPacked(longs((row) => BigInt(row) * 1000n + BigInt(Math.floor(noise() * 1000)))));
    assert.ok(isPacked(longs(() => BigInt(Math.floor(noise() * 1e9)))));
    assert.ok(isPacked(longs((row) => BigInt(row >> 2))));
  });

  it('but not where a dictionary takes fewer bits, or nothing would be won', () => {
    const noise = createNoise();
    const few = [2n ** 60n, -5n, 7n ** 20n, 0n];
    assert.ok(!isPacked(longs(() => few[Math.floor(noise() * 4)] ?? 0n)));
    assert.ok(!isPacked(longs(() => BigInt(Math.floor(noise() * 5000)) * 1_000_003n)));
    assert.ok(!isPacked(longs(() => 42n)));
    assert.ok(!isPacked(longs(() => BigInt.asIntN(64, BigInt(Math.floor(noise() * 2 ** 32)) << 32n))));
    const wide = Int32Array.from({ length: ROWS }, () => noise() * 2 ** 32);
    assert.ok(!isPacked(column(int32, wide, ROWS)));
    assert.ok(
      isPacked(
        column(
          int32,
          wide.map((value) => value >> 8),
          ROWS,
        ),
      ),
    );
  });

  it('judged by values that are there, and only where there are enough of them', () => {
    const validity = Uint8Array.from({ length: ROWS / 8 }, () => 0b0101_0101);
    const noise = createNoise();
    const holes = BigInt64Array.from({ length: ROWS }, (_, row) =>
      row % 2 === 0 ? BigInt(row) : BigInt(Math.floor(noise() * 2 ** 32)) << 31n,
    );
    assert.ok(isPacked(column(int64, holes, ROWS, validity)));
    assert.ok(!isPacked(column(int64, holes, ROWS)));
    assert.ok(!isPacked(column(int64, holes, ROWS, new Uint8Array(ROWS / 8))));
    assert.ok(!isPacked(longs((row) => BigInt(row), 1000)));
  });

  it('for every type that is an integer in Parquet, and no other', () => {
    const counted = (bytes: number) => {
      const data = Buffer.alloc(ROWS * bytes);
      for (let row = 0; row < ROWS; row++) data.writeUInt32LE(row, row * bytes);
      return data;
    };
    const types: [ArrowType, number, boolean][] = [
      [{ kind: 'date', unit: 'day' }, 4, true],
      [{ kind: 'date', unit: 'millisecond' }, 8, false],
      [{ kind: 'timestamp', unit: 'microsecond', timezone: 'UTC' }, 8, true],
      [{ kind: 'int', bitWidth: 32, signed: false }, 4, true],
      [{ kind: 'int', bitWidth: 64, signed: false }, 8, false],
      [{ kind: 'decimal', precision: 9, scale: 2, bitWidth: 32 }, 4, true],
      [{ kind: 'decimal', precision: 18, scale: 2, bitWidth: 128 }, 16, true],
      [{ kind: 'decimal', precision: 19, scale: 2, bitWidth: 128 }, 16, false],
      [{ kind: 'float', bitWidth: 64 }, 8, false],
    ];
    for (const [type, bytes, packed] of types) {
      assert.equal(isPacked(column(type, counted(bytes), ROWS)), packed, JSON.stringify(type));
    }
    const small = Int8Array.from({ length: ROWS }, (_, row) => row % 100);
    assert.equal(isPacked(column({ kind: 'int', bitWidth: 8, signed: true }, small, ROWS)), true);
  });
});
