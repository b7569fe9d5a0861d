import type { CellValue } from './build-arrays.ts';

/** A type of DuckDB as ODBC and JDBC describe types. */
interface TypeRow {
  readonly name: string;
  /** An `XdbcDataType`. */
  readonly dataType: number;
  readonly size: number | null;
  readonly quotes?: readonly [string, string];
  readonly params?: readonly string[];
  readonly isUnsigned?: boolean;
  readonly scale?: readonly [number, number];
  readonly radix?: number;
  /** For dates and times: the type as such, and its subcode. */
  readonly datetime?: number;
}

const xdbc = {
  CHAR: 1,
  DECIMAL: 3,
  INTEGER: 4,
  SMALLINT: 5,
  REAL: 7,
  DOUBLE: 8,
  DATETIME: 9,
  INTERVAL: 10,
  VARCHAR: 12,
  DATE: 91,
  TIME: 92,
  TIMESTAMP: 93,
  LONGVARCHAR: -1,
  BINARY: -2,
  VARBINARY: -3,
  BIGINT: -5,
  TINYINT: -6,
  BIT: -7,
} as const;

const quoted = ["'", "'"] as const;
const integer = (name: string, dataType: number, size: number, isUnsigned = false): TypeRow => ({
  name,
  dataType,
  size,
  isUnsigned,
  radix: 10,
});

const types: readonly TypeRow[] = [
  { name: 'BOOLEAN', dataType: xdbc.BIT, size: 1 },
  integer('TINYINT', xdbc.TINYINT, 3),
  integer('UTINYINT', xdbc.SMALLINT, 3, true),
  integer('SMALLINT', xdbc.SMALLINT, 5),
  integer('USMALLINT', xdbc.INTEGER, 5, true),
  integer('INTEGER', xdbc.INTEGER, 10),
  integer('UINTEGER', xdbc.BIGINT, 10, true),
  integer('BIGINT', xdbc.BIGINT, 19),
  integer('UBIGINT', xdbc.DECIMAL, 20, true),
  integer('HUGEINT', xdbc.DECIMAL, 38),
  integer('UHUGEINT', xdbc.DECIMAL, 38, true),
  {
    name: 'DECIMAL',
    dataType: xdbc.DECIMAL,
    size: 38,
    params: ['precision', 'scale'],
    scale: [0, 38],
    radix: 10,
  },
  { name: 'FLOAT', dataType: xdbc.REAL, size: 24, radix: 2 },
  { name: 'DOUBLE', dataType: xdbc.DOUBLE, size: 53, radix: 2 },
  { name: 'VARCHAR', dataType: xdbc.VARCHAR, size: null, quotes: quoted },
  // Clients that look for a type for texts or bytes take the first one of a kind, so these are of other kinds.
  { name: 'UUID', dataType: xdbc.CHAR, size: 36, quotes: quoted },
  { name: 'JSON', dataType: xdbc.LONGVARCHAR, size: null, quotes: quoted },
  { name: 'BLOB', dataType: xdbc.VARBINARY, size: null, quotes: quoted },
  { name: 'BIT', dataType: xdbc.BINARY, size: null, quotes: quoted },
  { name: 'DATE', dataType: xdbc.DATE, size: 10, quotes: ["DATE '", "'"], datetime: 1 },
  { name: 'TIME', dataType: xdbc.TIME, size: 15, quotes: ["TIME '", "'"], datetime: 2 },
  { name: 'TIME_NS', dataType: xdbc.TIME, size: 18, quotes: ["TIME_NS '", "'"], datetime: 2 },
  { name: 'TIME WITH TIME ZONE', dataType: xdbc.TIME, size: 21, quotes: ["TIMETZ '", "'"], datetime: 4 },
  { name: 'TIMESTAMP_S', dataType: xdbc.TIMESTAMP, size: 19, quotes: ["TIMESTAMP_S '", "'"], datetime: 3 },
  { name: 'TIMESTAMP_MS', dataType: xdbc.TIMESTAMP, size: 23, quotes: ["TIMESTAMP_MS '", "'"], datetime: 3 },
  { name: 'TIMESTAMP', dataType: xdbc.TIMESTAMP, size: 26, quotes: ["TIMESTAMP '", "'"], datetime: 3 },
  { name: 'TIMESTAMP_NS', dataType: xdbc.TIMESTAMP, size: 29, quotes: ["TIMESTAMP_NS '", "'"], datetime: 3 },
  {
    name: 'TIMESTAMP WITH TIME ZONE',
    dataType: xdbc.TIMESTAMP,
    size: 32,
    quotes: ["TIMESTAMPTZ '", "'"],
    datetime: 5,
  },
  { name: 'INTERVAL', dataType: xdbc.INTERVAL, size: null, quotes: ["INTERVAL '", "'"] },
];

const texts: ReadonlySet<number> = new Set([xdbc.CHAR, xdbc.VARCHAR, xdbc.LONGVARCHAR]);
const NULLABLE = 1;
const SEARCHABLE = 3;

/** The rows of `CommandGetXdbcTypeInfo`, all or those of one `XdbcDataType`. */
export function listTypes(dataType: number | undefined): readonly (readonly CellValue[])[] {
  return types.filter((type) => dataType === undefined || type.dataType === dataType).map(toRow);
}

function toRow(type: TypeRow): readonly CellValue[] {
  const { name, dataType, size, quotes, params, isUnsigned, scale, radix, datetime } = type;
  const isNumber = radix !== undefined;
  return [
    name,
    dataType,
    size,
    quotes?.[0] ?? null,
    quotes?.[1] ?? null,
    params ?? null,
    NULLABLE,
    texts.has(dataType),
    SEARCHABLE,
    isNumber ? (isUnsigned ?? false) : null,
    false,
    isNumber ? false : null,
    name,
    scale?.[0] ?? (isNumber ? 0 : null),
    scale?.[1] ?? (isNumber ? 0 : null),
    datetime === undefined ? dataType : xdbc.DATETIME,
    datetime ?? null,
    radix ?? null,
    null,
  ];
}
