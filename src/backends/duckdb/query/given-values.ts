import {
  BIGINT,
  BLOB,
  BOOLEAN,
  blobValue,
  DOUBLE,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  HUGEINT,
  INTEGER,
  LIST,
  listValue,
  SQLNULL,
  STRUCT,
  structValue,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api';
import { FloatingNumber, type ParameterValue } from '../../../core/query.ts';
import { ArrowportError } from '../../../errors.ts';
import type { ParameterExtent } from './parameter-extent.ts';
import type { TypedValue } from './parameter-values.ts';

/** What a value is bound as. Items of one list have one shape, which holds all of them. */
type Shape =
  | { readonly kind: 'scalar'; readonly type: DuckDBType }
  /** An index of `numberTypes`. */
  | { readonly kind: 'number'; readonly rank: number }
  | { readonly kind: 'list'; readonly item: Shape }
  | { readonly kind: 'struct'; readonly members: ReadonlyMap<string, Shape> };

/** Each holds the values of those before it. */
const numberTypes = [INTEGER, BIGINT, HUGEINT, DOUBLE] as const;
const doubleRank = numberTypes.indexOf(DOUBLE);
const int32 = 2n ** 31n;
const int64 = 2n ** 63n;
const int128 = 2n ** 127n;
const nothing: Shape = { kind: 'scalar', type: SQLNULL };

/** How a value of JavaScript is bound. Throws QUERY_INVALID, TYPE_UNSUPPORTED, BODY_TOO_LARGE. */
export function fromParameterValue(value: ParameterValue, extent: ParameterExtent): TypedValue {
  const shape = findShape(value, extent, 0);
  return { value: toValue(value, shape), type: toType(shape) };
}

function findShape(value: ParameterValue, extent: ParameterExtent, depth: number): Shape {
  extent.add();
  if (value === null) return nothing;
  if (typeof value === 'boolean') return { kind: 'scalar', type: BOOLEAN };
  if (typeof value === 'string') return textShape(value);
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof FloatingNumber)
    return { kind: 'number', rank: rankOf(value) };
  if (value instanceof Date) return { kind: 'scalar', type: TIMESTAMPTZ };
  if (value instanceof Uint8Array) return { kind: 'scalar', type: BLOB };
  extent.refuseDepth(depth + 1);
  if (isList(value)) {
    let item = nothing;
    for (const each of value) item = unite(item, findShape(each, extent, depth + 1));
    return { kind: 'list', item };
  }
  return structShape(value, extent, depth);
}

function isList(value: object): value is readonly ParameterValue[] {
  return Array.isArray(value);
}

function textShape(text: string): Shape {
  if (text.isWellFormed()) return { kind: 'scalar', type: VARCHAR };
  throw invalid('A text of the parameters has half of a surrogate pair, which is no character.');
}

function rankOf(value: number | bigint | FloatingNumber): number {
  if (typeof value === 'object' || (typeof value === 'number' && !Number.isSafeInteger(value)))
    return doubleRank;
  const whole = BigInt(value);
  const rank = [int32, int64, int128].findIndex((bound) => whole >= -bound && whole < bound);
  if (rank < 0) throw invalid('A number of the parameters is beyond HUGEINT: give it as a text and cast it.');
  return rank;
}

function structShape(
  value: Readonly<Record<string, ParameterValue>>,
  extent: ParameterExtent,
  depth: number,
): Shape {
  const members = new Map(
    Object.entries(value).map(([name, member]) => [name, findShape(member, extent, depth + 1)]),
  );
  if (members.size > 0) return { kind: 'struct', members };
  throw new ArrowportError(
    'TYPE_UNSUPPORTED',
    'A parameter is an object without members, which DuckDB has none of.',
  );
}

/** The shape that holds the values of both. */
function unite(one: Shape, other: Shape): Shape {
  if (one === nothing) return other;
  if (other === nothing) return one;
  if (one.kind === 'number' && other.kind === 'number')
    return { kind: 'number', rank: Math.max(one.rank, other.rank) };
  if (one.kind === 'list' && other.kind === 'list')
    return { kind: 'list', item: unite(one.item, other.item) };
  if (one.kind === 'struct' && other.kind === 'struct') {
    const members = new Map(one.members);
    for (const [name, shape] of other.members) members.set(name, unite(members.get(name) ?? nothing, shape));
    return { kind: 'struct', members };
  }
  if (one.kind === 'scalar' && other.kind === 'scalar' && one.type === other.type) return one;
  throw invalid(`A list of the parameters has items of types ${toType(one)} and ${toType(other)}.`);
}

function toType(shape: Shape): DuckDBType {
  switch (shape.kind) {
    case 'scalar':
      return shape.type;
    case 'number':
      return numberTypes[shape.rank] ?? DOUBLE;
    case 'list':
      return LIST(toType(shape.item));
    case 'struct':
      return STRUCT(Object.fromEntries([...shape.members].map(([name, member]) => [name, toType(member)])));
  }
}

function toValue(value: ParameterValue | undefined, shape: Shape): DuckDBValue {
  if (value === null || value === undefined) return null;
  if (shape.kind === 'number') return toNumber(value as number | bigint | FloatingNumber, shape.rank);
  if (shape.kind === 'scalar') return toScalar(value);
  if (shape.kind === 'list') {
    const items = value as readonly ParameterValue[];
    return listValue(items.map((item) => toValue(item, shape.item)));
  }
  const given = value as Readonly<Record<string, ParameterValue>>;
  return structValue(
    Object.fromEntries(
      [...shape.members].map(([name, member]) => [
        name,
        Object.hasOwn(given, name) ? toValue(given[name], member) : null,
      ]),
    ),
  );
}

function toNumber(value: number | bigint | FloatingNumber, rank: number): DuckDBValue {
  const plain = typeof value === 'object' ? value.value : value;
  return rank === 0 || rank === doubleRank ? Number(plain) : BigInt(plain);
}

function toScalar(value: ParameterValue): DuckDBValue {
  if (value instanceof Date) return new DuckDBTimestampTZValue(BigInt(value.getTime()) * 1000n);
  if (value instanceof Uint8Array) return blobValue(value);
  return value as boolean | string;
}

function invalid(text: string): ArrowportError {
  return new ArrowportError('QUERY_INVALID', text);
}
