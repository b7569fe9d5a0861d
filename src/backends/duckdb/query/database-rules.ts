import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteText } from '../identifier.ts';
import { isOutwardFunction, isPureFunction } from './function-rules.ts';
import { fixedTypes } from './value-size.ts';

/** What the gate has to know of a database; the same for as long as it is open, since nothing can be loaded into it. */
export interface DatabaseRules {
  /** The catalog of the database file. */
  readonly catalog: string;
  /** Whether a function is DuckDB's own (or an extension's, also one that is not loaded) and not one that SQL may call. */
  isForbiddenFunction(name: string, isTable: boolean): boolean;
  /** Whether a function of this name (in lower case) is DuckDB's own or an extension's; others are macros. */
  isOwnFunction(name: string): boolean;
  /** Whether a function (by its name in lower case) gives nothing but numbers, dates and the like, whatever it takes. */
  isFixedSize(name: string): boolean;
  /** Whether DuckDB has a view of its own by this unqualified name. */
  isOwnView(name: string): boolean;
}

/** Reads the rules of an open database. `extraFunctions` are names that the configuration allows besides. */
export async function readDatabaseRules(
  connection: DuckDBConnection,
  catalog: string,
  extraFunctions: readonly string[],
): Promise<DatabaseRules> {
  const names = async (sql: string): Promise<ReadonlySet<string>> =>
    new Set((await connection.runAndReadAll(sql)).getRows().map(([name]) => String(name).toLowerCase()));
  const functions = await names('SELECT DISTINCT function_name FROM duckdb_functions() WHERE internal');
  const views = await names(
    "SELECT view_name FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'",
  );
  const fixed = await names(
    `SELECT function_name FROM duckdb_functions() WHERE internal GROUP BY function_name
     HAVING bool_and(coalesce(regexp_matches(return_type, ${quoteText(fixedTypes.source)}) AND NOT contains(return_type, '['), false))`,
  );
  const extra = new Set(extraFunctions.map((name) => name.toLowerCase()));
  return {
    catalog,
    isForbiddenFunction: (name, isTable) =>
      (functions.has(name) || isOutwardFunction(name)) && !isPureFunction(name, isTable) && !extra.has(name),
    isOwnFunction: (name) => functions.has(name) || isPureFunction(name, false),
    isFixedSize: (name) => fixed.has(name),
    isOwnView: (name) => views.has(name.toLowerCase()),
  };
}
