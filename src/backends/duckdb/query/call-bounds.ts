import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteIdentifier, quoteText } from '../identifier.ts';
import { gatheredMacros, valueMacros } from './gathered-values.ts';
import type { QueryConnection } from './query-connection.ts';
import { fixedTypes } from './value-size.ts';

/** The variable of a connection that holds the bytes that one value may have. */
const variable = 'arrowport_value_bytes';
/** The schema of the in-memory catalog whose macros stand in front of DuckDB's functions of the same names. */
const schema = '_arrowport_bounds';
/** The schema of those that look at what aggregates gathered. */
const gatheredSchema = '_arrowport_gathered';

const valueBytes = `getvariable('${variable}')::HUGEINT`;
/** Characters times characters that functions may compare which look at every pair. */
const maxPairs = 250_000;
/** The same for searches, most of whose pairs cost next to nothing. */
const maxSearchPairs = 4_000_000;

const called = (name: string) => (/^[a-z]/.test(name) ? `${name}()` : name);
const tellMade = (name: string) => `${called(name)} would make a value that is larger than one may be here`;
const compared = (name: string) =>
  `${called(name)} would compare texts that are longer than they may be here`;
/** How the messages of the macros end. */
export const madeTooMuch = / than one may be here$/;
export const comparedTooMuch = / than they may be here$/;

interface Bound {
  readonly name: string;
  readonly parameters: readonly string[];
  /** Whether a call is refused; `p` holds its arguments. NULL lets it through. */
  readonly refused: string;
  readonly message: string;
}

const size = (argument: string) => `strlen(coalesce(p.${argument}::VARCHAR, ''))::HUGEINT`;
const elements = `(${valueBytes} // 8)`;

function bounds(names: string, parameters: string, refused: string, tell = tellMade): readonly Bound[] {
  return names
    .split(' ')
    .map((name) => ({ name, parameters: parameters.split(' '), refused, message: tell(name) }));
}

const pairs = `${size('a')} * ${size('b')}`;
const steps = `TRY(p.a + p.c * (${elements})::BIGINT)`;
/** Names of a macro's arguments. */
const letters = [...'abcdefghijklmnop'];

/** Every bound, by name; one with fewer arguments also counts for calls with more. */
const table: readonly Bound[] = [
  ...bounds('range generate_series', 'a', `p.a::HUGEINT > ${elements}`),
  ...bounds('range generate_series', 'a b', `p.b::HUGEINT - p.a::HUGEINT > ${elements}`),
  ...bounds(
    'range generate_series',
    'a b c',
    `CASE WHEN p.c >= p.c - p.c THEN ${steps} < p.b ELSE ${steps} > p.b END`,
  ),
  ...bounds('repeat', 'a b', `${size('a')} * p.b::HUGEINT > ${valueBytes}`),
  ...bounds('lpad rpad', 'a b c', `p.b::HUGEINT * 4 > ${valueBytes}`),
  ...bounds('list_resize array_resize', 'a b', `p.b::HUGEINT > ${elements}`),
  ...bounds('list_resize array_resize', 'a b c', `p.b::HUGEINT * (8 + ${size('c')}) > ${valueBytes}`),
  ...bounds('equi_width_bins', 'a b c d', `p.c::HUGEINT > ${elements}`),
  ...bounds('bitstring', 'a b', `p.b::HUGEINT // 8 > ${valueBytes}`),
  ...bounds('json_pretty', 'a', `${size('a')} * ${size('a')} > ${valueBytes} * 64`),
  ...bounds('||', 'a b', `${size('a')} + ${size('b')} > ${valueBytes}`),
  ...letters.flatMap((_, index) => {
    const parameters = letters.slice(0, index + 1);
    return bounds('concat', parameters.join(' '), `${parameters.map(size).join(' + ')} > ${valueBytes}`);
  }),
  ...bounds(
    'replace',
    'a b c',
    `${size('a')} * greatest(${size('c')}, 1) > ${valueBytes} OR ${pairs} > ${maxSearchPairs}`,
  ),
  ...bounds('regexp_replace', 'a b c', `${size('a')} * greatest(${size('c')}, 1) > ${valueBytes}`),
  ...bounds(
    'array_to_string list_to_string',
    'a b',
    `len(p.a)::HUGEINT * ${size('b')} + ${size('a')} > ${valueBytes}`,
  ),
  ...bounds('levenshtein editdist3 damerau_levenshtein', 'a b', `${pairs} > ${maxPairs}`, compared),
  ...bounds(
    'contains position instr strpos string_split str_split split string_to_array ~~ !~~ ~~* !~~*',
    'a b',
    `${pairs} > ${maxSearchPairs}`,
    compared,
  ),
  ...bounds(
    '~~~',
    'a b',
    `pow(strlen(p.a), strlen(p.b) - strlen(system.main.replace(p.b, '*', ''))) > 1000000`,
    compared,
  ),
];

const names: ReadonlySet<string> = new Set(table.map(({ name }) => name));

/** Whether calls of this name (in lower case) are bounded on connections that bounds are laid on. */
export function isBounded(name: string): boolean {
  return names.has(name);
}

/**
 * The arguments are bound once, as one value: whatever they compute is what is looked at and what is used. They are taken
 * out of it by subscripts, since HAVING takes `p.a` for a column.
 */
function macro({ parameters, refused, message, name }: Bound): string {
  const given = parameters.map((parameter) => `${parameter}: ${parameter}`).join(', ');
  const passed = parameters.map((parameter) => `p.${parameter}`).join(', ');
  const made = `CASE WHEN ${refused} THEN error(${quoteText(message)}) ELSE system.main.${quoteIdentifier(name)}(${passed}) END`;
  const subscripts = made.replace(/\bp\.([a-p])\b/g, "p['$1']");
  return `(${parameters.join(', ')}) AS list_transform([{${given}}], lambda p: ${subscripts})[1]`;
}

const repeatedTooMuch =
  'A value that an aggregate gathered, and that the statement repeats for other rows (gather after the join, or apply functions before it), is larger than one may be here';

const lengthenedTooMuch = (why: string) => `A value of a recursion, ${why}, is larger than one may be here`;

/**
 * What looks at the values of aggregates. These name their argument twice, which DuckDB takes for one aggregate: a
 * lambda would not do, where an aggregate stands in HAVING or PIVOT.
 */
const gatheredChecks: readonly (readonly [name: string, refused: string])[] = [
  [gatheredMacros.list, `len(v)::HUGEINT > ${elements}`],
  [gatheredMacros.map, `len(map_keys(v))::HUGEINT > ${elements}`],
  [gatheredMacros.text, `len(v)::HUGEINT > ${valueBytes}`],
];

function gatheredMacro(refused: string, v: string): string {
  const error = `error(${quoteText(repeatedTooMuch)})`;
  return `CASE WHEN ${refused} THEN ${error} WHEN strlen(${v}::VARCHAR)::HUGEINT > ${valueBytes} THEN ${error} ELSE ${v} END`;
}

/** DuckDB knows the type when it plans, so that values of a few bytes cost nothing. */
function valueCheck(limit: string, message: string): string {
  return `CASE WHEN regexp_matches(typeof(v), ${quoteText(fixedTypes.source)}) AND NOT contains(typeof(v), '[') THEN v
    WHEN strlen(v::VARCHAR)::HUGEINT > ${limit} THEN error(${quoteText(message)}) ELSE v END`;
}

/** What each round of a recursion hands to the next; few rows of it are worked on at once, so it may be longer. */
const roundFactor = 16;
const valueChecks: readonly (readonly [name: string, check: string])[] = [
  [
    valueMacros.repeated,
    valueCheck(
      valueBytes,
      lengthenedTooMuch('which its rounds make longer and the statement repeats for other rows'),
    ),
  ],
  [
    valueMacros.lengthened,
    valueCheck(`${valueBytes} * ${roundFactor}`, lengthenedTooMuch('which its rounds make longer')),
  ],
];

const installed = new WeakMap<object, Promise<void>>();

/** Makes the macros in the in-memory catalog of an instance, once. */
function ensureBounds(database: { connect(): Promise<DuckDBConnection> }): Promise<void> {
  let made = installed.get(database);
  if (made === undefined) {
    made = install(database).catch((thrown: unknown) => {
      installed.delete(database);
      throw thrown;
    });
    installed.set(database, made);
  }
  return made;
}

/** On a connection of its own: one with an open transaction cannot write to two databases. */
async function install(database: { connect(): Promise<DuckDBConnection> }): Promise<void> {
  const connection = await database.connect();
  try {
    await makeMacros(connection);
  } finally {
    connection.closeSync();
  }
}

async function makeMacros(connection: DuckDBConnection): Promise<void> {
  const known = await connection.runAndReadAll(
    `SELECT DISTINCT function_name, len(parameters), varargs IS NOT NULL FROM duckdb_functions()
     WHERE internal AND function_type = 'scalar'`,
  );
  const macros = new Map<string, string[]>();
  for (const [name, count, takesMore] of known.getRows()) {
    const candidates = table.filter((bound) => bound.name === name);
    const calls =
      takesMore === true ? candidates.map(({ parameters }) => parameters.length) : [Number(count)];
    for (const length of calls) {
      const bound = candidates.findLast(({ parameters }) => parameters.length <= length);
      // Options of regular expressions must be constants where DuckDB sees them.
      if (bound === undefined || (bound.name === 'regexp_replace' && length > 3)) continue;
      const overloads = macros.get(bound.name) ?? [];
      overloads.push(macro({ ...bound, parameters: letters.slice(0, length) }));
      macros.set(bound.name, overloads);
    }
  }
  await connection.run(`CREATE SCHEMA IF NOT EXISTS memory.${schema}`);
  await connection.run(`CREATE SCHEMA IF NOT EXISTS memory.${gatheredSchema}`);
  for (const [name, refused] of gatheredChecks) {
    await connection.run(
      `CREATE OR REPLACE MACRO memory.${gatheredSchema}.${name}(v) AS ${gatheredMacro(refused, 'v')}`,
    );
  }
  for (const [name, check] of valueChecks) {
    await connection.run(`CREATE OR REPLACE MACRO memory.${gatheredSchema}.${name}(v) AS ${check}`);
  }
  const array = gatheredMacro(`len(p)::HUGEINT > ${elements}`, 'p');
  await connection.run(
    `CREATE OR REPLACE MACRO memory.${gatheredSchema}.${gatheredMacros.array}(v) AS list_transform([v], lambda p: ${array})[1]`,
  );
  for (const [name, overloads] of macros) {
    const made = `CREATE OR REPLACE MACRO memory.${schema}.${quoteIdentifier(name)} ${[...new Set(overloads)].join(', ')}`;
    await connection.run(made);
  }
}

/** Lays the bounds on what is prepared on a connection from now on. `own` is the schema that names belong to. */
export async function layBounds(
  { connection, database, rules }: QueryConnection,
  own: string,
  valueLimitBytes: number,
  boundsCalls: boolean,
): Promise<void> {
  await ensureBounds(database.database);
  const path = `${quoteIdentifier(rules.catalog)}.${quoteIdentifier(own)}${boundsCalls ? `,memory.${schema}` : ''},memory.${gatheredSchema}`;
  await connection.run(`SET VARIABLE ${variable} = ${valueLimitBytes}`);
  await connection.run(`SET SESSION search_path = ${quoteText(path)}`);
}

/** Takes them off again. Where that fails they stay: they only keep values small. */
export async function liftBounds({ connection, rules }: QueryConnection, own: string): Promise<void> {
  await connection
    .run(`USE ${quoteIdentifier(rules.catalog)}.${quoteIdentifier(own)}`)
    .catch(() => undefined);
}
