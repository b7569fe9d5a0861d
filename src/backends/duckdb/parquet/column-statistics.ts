import type { ParquetBound, ParquetColumnStatistics } from '../../../core/parquet-writer.ts';
import { columnsOf } from './footer.ts';
import type { ThriftStruct } from './thrift-compact.ts';

/** Numbers of Parquet's physical types. */
const physical = { boolean: 0, int32: 1, int64: 2, float: 4, double: 5, bytes: 6, fixedBytes: 7 } as const;
const columnFields = { type: 1, path: 3, values: 5, statistics: 12 } as const;
const statisticsFields = { nullCount: 3, max: 5, min: 6 } as const;

/** What is known of one column in one row group. */
interface Chunk {
  readonly path: readonly string[];
  readonly values: bigint;
  readonly nulls: bigint | undefined;
  readonly min: ParquetBound | null;
  readonly max: ParquetBound | null;
}

/** The statistics of row groups together, for each column that is in no list or map. */
export function readStatistics(rowGroups: readonly ThriftStruct[]): readonly ParquetColumnStatistics[] {
  const columns = new Map<string, Chunk[]>();
  for (const rowGroup of rowGroups) {
    for (const column of columnsOf(rowGroup)) {
      const chunk = readChunk(column);
      const key = JSON.stringify(chunk.path);
      const chunks = columns.get(key);
      if (chunks === undefined) columns.set(key, [chunk]);
      else chunks.push(chunk);
    }
  }
  return [...columns.values()].map(join);
}

function join(chunks: readonly Chunk[]): ParquetColumnStatistics {
  const [first] = chunks;
  const filled = chunks.filter(({ values, nulls }) => nulls !== values);
  const known = chunks.every(({ nulls }) => nulls !== undefined);
  const nulls = chunks.reduce((sum, chunk) => sum + (chunk.nulls ?? 0n), 0n);
  return {
    path: first?.path ?? [],
    nullCount: known ? Number(nulls) : null,
    min: furthest(
      filled.map(({ min }) => min),
      -1,
    ),
    max: furthest(
      filled.map(({ max }) => max),
      1,
    ),
  };
}

/** The smallest (side -1) or greatest (side 1) bound; null where one is missing, as it may be beyond the others. */
function furthest(bounds: readonly (ParquetBound | null)[], side: number): ParquetBound | null {
  let best: ParquetBound | null = null;
  for (const bound of bounds) {
    if (bound === null) return null;
    if (best === null || compare(bound, best) * side > 0) best = bound;
  }
  return best;
}

function compare(left: ParquetBound, right: ParquetBound): number {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right);
  return left < right ? -1 : left > right ? 1 : 0;
}

function readChunk(column: ThriftStruct): Chunk {
  const type = Number(column.integer(columnFields.type) ?? -1n);
  const statistics = column.struct(columnFields.statistics);
  const path = column.list(columnFields.path).map((part) => (part instanceof Uint8Array ? text(part) : ''));
  const bound = (id: number) => {
    const bytes = statistics?.bytes(id);
    return bytes === undefined ? null : decode(type, bytes);
  };
  return {
    path,
    values: column.integer(columnFields.values) ?? 0n,
    nulls: statistics?.integer(statisticsFields.nullCount),
    min: bound(statisticsFields.min),
    max: bound(statisticsFields.max),
  };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function decode(type: number, bytes: Uint8Array): ParquetBound | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (type) {
    case physical.boolean:
      return buffer.length === 1 ? buffer[0] === 1 : null;
    case physical.int32:
      return buffer.length === 4 ? BigInt(buffer.readInt32LE(0)) : null;
    case physical.int64:
      return buffer.length === 8 ? buffer.readBigInt64LE(0) : null;
    case physical.float:
      return buffer.length === 4 ? ordered(buffer.readFloatLE(0)) : null;
    case physical.double:
      return buffer.length === 8 ? ordered(buffer.readDoubleLE(0)) : null;
    case physical.bytes:
      return Uint8Array.from(buffer);
    case physical.fixedBytes:
      return bigEndian(buffer);
    default:
      return null;
  }
}

function ordered(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** The only values of fixed width are decimals. */
function bigEndian(bytes: Buffer): bigint | null {
  if (bytes.length === 0) return null;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}
