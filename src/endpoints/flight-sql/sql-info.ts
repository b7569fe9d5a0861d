import type { CellValue, UnionValue } from './build-arrays.ts';
import { TRANSACTION_IDLE_MS } from './client-sessions.ts';
import { PREPARED_IDLE_MS } from './prepared-statements.ts';

/** What SqlInfo says that is not the same for every server. */
export interface ServerFacts {
  readonly version: string;
  /** Whether the caller may only read. */
  readonly isReadOnly: boolean;
}

const text = (value: string): UnionValue => ({ member: 0, value });
const flag = (value: boolean): UnionValue => ({ member: 1, value });
const bigint = (value: number): UnionValue => ({ member: 2, value });
const int = (value: number): UnionValue => ({ member: 3, value });
const list = (value: readonly string[]): UnionValue => ({ member: 4, value });

const ARROW_FORMAT_VERSION = '1.5.0';
const SUPPORTED = { transaction: 1 } as const;
/** Case is kept, and not minded when names are looked up. */
const CASE_INSENSITIVE = 1;
const NULLS_LAST = 3;
/** The bits of REPEATABLE_READ, as which snapshot isolation is told. */
const REPEATABLE_READ = 3;
const DEFINED_BITS = {
  groupBy: 3,
  grammar: 3,
  outerJoins: 2,
  subqueries: 15,
  unions: 3,
  forwardOnly: 2,
} as const;

/** The numbers of `SqlSupportsConvert`. */
const convert = {
  bigint: 0,
  bit: 2,
  date: 4,
  decimal: 5,
  float: 6,
  integer: 7,
  numeric: 12,
  real: 13,
} as const;
const convertMore = {
  smallint: 14,
  time: 15,
  timestamp: 16,
  tinyint: 17,
  varbinary: 18,
  varchar: 19,
} as const;
const { varchar, date, time, timestamp, varbinary } = { ...convert, ...convertMore };
const numbers = [
  convert.bigint,
  convert.bit,
  convert.decimal,
  convert.float,
  convert.integer,
  convert.numeric,
  convert.real,
  convertMore.smallint,
  convertMore.tinyint,
];
/** Which types are cast to which. */
const conversions: UnionValue = {
  member: 5,
  value: new Map<number, readonly number[]>([
    ...numbers.map((from) => [from, [...numbers, varchar]] as const),
    [date, [date, timestamp, varchar]],
    [time, [time, varchar]],
    [timestamp, [date, time, timestamp, varchar]],
    [varbinary, [varbinary, varchar]],
    [varchar, [...numbers, date, time, timestamp, varbinary, varchar]],
  ]),
};

const keywords =
  'ANALYZE,ANTI,ASOF,ATTACH,COPY,DESCRIBE,ILIKE,LATERAL,MACRO,PIVOT,POSITIONAL,QUALIFY,SEMI,SUMMARIZE,UNPIVOT';
const numericFunctions =
  'ABS,ACOS,ASIN,ATAN,ATAN2,CEILING,COS,COT,DEGREES,EXP,FLOOR,LOG,LOG10,MOD,PI,POWER,RADIANS,RANDOM,ROUND,SIGN,SIN,SQRT,TAN';
const stringFunctions =
  'ASCII,CONCAT,LCASE,LEFT,LENGTH,LOWER,LTRIM,POSITION,REPEAT,REPLACE,RIGHT,RTRIM,SPLIT_PART,SUBSTRING,TRIM,UCASE,UPPER';
const datetimeFunctions =
  'CURRENT_DATE,DATE_DIFF,DATE_PART,DATE_TRUNC,DAYNAME,DAYOFMONTH,DAYOFWEEK,DAYOFYEAR,HOUR,MINUTE,MONTH,MONTHNAME,NOW,QUARTER,SECOND,WEEK,YEAR';

/**
 * The rows of `CommandGetSqlInfo`: those asked for, or all. Codes that are not known here are left out.
 * @see https://github.com/apache/arrow/blob/main/format/FlightSql.proto
 */
export function listSqlInfo(
  wanted: readonly number[],
  facts: ServerFacts,
): readonly (readonly CellValue[])[] {
  const known = createSqlInfo(facts);
  const codes = wanted.length === 0 ? [...known.keys()] : [...new Set(wanted)];
  return codes.flatMap((code) => {
    const value = known.get(code);
    return value === undefined ? [] : [[code, value]];
  });
}

function createSqlInfo(facts: ServerFacts): ReadonlyMap<number, UnionValue> {
  return new Map([...serverInfo(facts), ...syntaxInfo(facts), ...capabilityInfo()]);
}

function serverInfo(facts: ServerFacts): readonly (readonly [number, UnionValue])[] {
  return [
    [0, text('Arrowport')],
    [1, text(facts.version)],
    [2, text(ARROW_FORMAT_VERSION)],
    [3, flag(facts.isReadOnly)],
    [4, flag(true)],
    [5, flag(false)],
    [8, int(SUPPORTED.transaction)],
    [9, flag(true)],
    [10, flag(true)],
    [11, flag(true)],
    [100, int(PREPARED_IDLE_MS)],
    [101, int(TRANSACTION_IDLE_MS)],
  ];
}

function syntaxInfo({ isReadOnly }: ServerFacts): readonly (readonly [number, UnionValue])[] {
  return [
    [500, flag(false)],
    [501, flag(!isReadOnly)],
    [502, flag(!isReadOnly)],
    [503, int(CASE_INSENSITIVE)],
    [504, text('"')],
    [505, int(CASE_INSENSITIVE)],
    [506, flag(true)],
    [507, int(NULLS_LAST)],
    [508, list(keywords.split(','))],
    [509, list(numericFunctions.split(','))],
    [510, list(stringFunctions.split(','))],
    [511, list(['COALESCE', 'IFNULL', 'NULLIF'])],
    [512, list(datetimeFunctions.split(','))],
    [513, text('\\')],
    [514, text('$')],
    [515, flag(true)],
    [516, flag(true)],
    [517, conversions],
    [518, flag(true)],
    [519, flag(false)],
    [520, flag(true)],
    [521, flag(true)],
    [522, int(DEFINED_BITS.groupBy)],
    [523, flag(true)],
    [524, flag(true)],
    [525, int(DEFINED_BITS.grammar)],
    [526, int(1)],
    [527, flag(true)],
    [528, int(DEFINED_BITS.outerJoins)],
    [529, text('schema')],
    [530, text('procedure')],
    [531, text('catalog')],
    [532, flag(true)],
  ];
}

function capabilityInfo(): readonly (readonly [number, UnionValue])[] {
  return [
    [533, int(0)],
    [534, int(0)],
    [535, int(0)],
    [536, flag(false)],
    [537, flag(false)],
    [538, int(DEFINED_BITS.subqueries)],
    [539, flag(true)],
    [540, int(DEFINED_BITS.unions)],
    ...[541, 542, 543, 544, 545, 546, 547, 548, 549, 550, 551, 552, 553, 554, 555].map(
      (code) => [code, bigint(0)] as const,
    ),
    [556, flag(true)],
    ...[557, 558, 559, 560, 561].map((code) => [code, bigint(0)] as const),
    // The JDBC driver reads this one as a bigint.
    [562, bigint(REPEATABLE_READ)],
    [563, flag(true)],
    [564, int(1 << REPEATABLE_READ)],
    [565, flag(false)],
    [566, flag(false)],
    [567, int(DEFINED_BITS.forwardOnly)],
    [572, flag(true)],
    [573, flag(false)],
    [574, flag(false)],
    [575, flag(false)],
    [576, flag(false)],
  ];
}
