import { CliFailure } from './failure.ts';
import { fetchJson, type ServerConnection } from './server-connection.ts';

/** Columns by name, with the types that DuckDB should read them as. */
export type ColumnTypes = ReadonlyMap<string, string>;

/** Delta's names of types that DuckDB calls otherwise. */
const duckDbNames: Readonly<Record<string, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  integer: 'INTEGER',
  short: 'SMALLINT',
  byte: 'TINYINT',
  double: 'DOUBLE',
  float: 'FLOAT',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP WITH TIME ZONE',
  timestamp_ntz: 'TIMESTAMP',
};

/** Types that text can be read as without being told more; nested ones are left to what DuckDB finds. */
const plainType = /^[A-Z]+( WITH TIME ZONE)?(\(\d+(, ?\d+)?\))?$/;

/**
 * The columns of the table behind a stream: text has no types of its own, so it is read as what the table holds. Empty
 * where there is no table yet, or the server does not tell: sending will say why.
 */
export function findColumnTypes(stream: string, connection: ServerConnection): Promise<ColumnTypes> {
  return find(connection, `/streams/${encodeURIComponent(stream)}`, (answer) => answer);
}

/** The columns of a Delta table, as {@link findColumnTypes} tells those behind a stream. */
export function findDeltaColumnTypes(table: string, connection: ServerConnection): Promise<ColumnTypes> {
  return find(connection, `/delta/${encodeURIComponent(table)}`, (answer) => {
    const schema = typeof answer === 'object' && answer !== null && 'schema' in answer ? answer.schema : null;
    return typeof schema === 'object' && schema !== null && 'fields' in schema
      ? { schema: schema.fields }
      : null;
  });
}

async function find(
  connection: ServerConnection,
  path: string,
  choose: (answer: unknown) => unknown,
): Promise<ColumnTypes> {
  try {
    return readColumns(choose(await fetchJson(connection, path)));
  } catch (error) {
    if (error instanceof CliFailure) return new Map();
    throw error;
  }
}

function readColumns(answer: unknown): ColumnTypes {
  const types = new Map<string, string>();
  const schema = typeof answer === 'object' && answer !== null && 'schema' in answer ? answer.schema : null;
  if (!Array.isArray(schema)) return types;
  for (const column of schema as readonly { readonly name?: unknown; readonly type?: unknown }[]) {
    if (typeof column.name !== 'string' || typeof column.type !== 'string') continue;
    const type = duckDbNames[column.type] ?? column.type.toUpperCase();
    if (plainType.test(type)) types.set(column.name, type);
  }
  return types;
}
