import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import koffi from 'koffi';
import { plainField } from '../../../arrow/encode-gatherer.ts';
import type { ArrowField, ArrowSchema } from '../../../core/schema.ts';
import { connectionPointer } from './array-stream.ts';
import { pointerTo, toArrowSchema } from './arrow-export.ts';
import { loadLibduckdb } from './libduckdb.ts';

const library = loadLibduckdb();
const functions = {
  connectionOptions: library.func('duckdb_connection_get_arrow_options', 'void', ['void *', 'void *']),
  destroyOptions: library.func('duckdb_destroy_arrow_options', 'void', ['void *']),
  columnCount: library.func('duckdb_prepared_statement_column_count', 'uint64', ['void *']),
  columnName: library.func('duckdb_prepared_statement_column_name', 'str', ['void *', 'uint64']),
  columnType: library.func('duckdb_prepared_statement_column_logical_type', 'void *', ['void *', 'uint64']),
  parameterCount: library.func('duckdb_nparams', 'uint64', ['void *']),
  parameterName: library.func('duckdb_parameter_name', 'str', ['void *', 'uint64']),
  parameterType: library.func('duckdb_param_logical_type', 'void *', ['void *', 'uint64']),
  typeId: library.func('duckdb_get_type_id', 'int', ['void *']),
  destroyType: library.func('duckdb_destroy_logical_type', 'void', ['void *']),
};

/** What DuckDB numbers types with that it cannot tell (yet). */
const unknownTypeIds: ReadonlySet<number> = new Set([0, 34]);

/** What is known of a statement before it runs. */
export interface PreparedSchema {
  /** One field a parameter, in the order of DuckDB's numbers; `null` where the type is not known. */
  readonly parameters: ArrowSchema;
  /** Null while a type hangs on parameters. */
  readonly columns: ArrowSchema | null;
}

/** Reads both schemas of a prepared statement, without running it. Throws TYPE_UNSUPPORTED. */
export function readPreparedSchema(
  connection: DuckDBConnection,
  prepared: DuckDBPreparedStatement,
): PreparedSchema {
  const statement = statementPointer(prepared);
  const place = Buffer.alloc(8);
  functions.connectionOptions(connectionPointer(connection), place);
  const options: unknown = koffi.decode(place, 'void *');
  try {
    const parameters = range(functions.parameterCount(statement)).map((index): ArrowField => {
      const name = String(functions.parameterName(statement, index + 1));
      return readField(options, functions.parameterType(statement, index + 1), name) ?? nullField(name);
    });
    const columns = range(functions.columnCount(statement)).map((index) =>
      readField(
        options,
        functions.columnType(statement, index),
        String(functions.columnName(statement, index)),
      ),
    );
    return {
      parameters: { fields: parameters, metadata: new Map() },
      columns: columns.every((field) => field !== null) ? { fields: columns, metadata: new Map() } : null,
    };
  } finally {
    functions.destroyOptions(pointerTo(options));
  }
}

/** Takes the type over and frees it. Null for a type that is not known. */
function readField(options: unknown, type: unknown, name: string): ArrowField | null {
  if (type === null) return null;
  try {
    if (unknownTypeIds.has(Number(functions.typeId(type)))) return null;
    const [field] = toArrowSchema(options, [type], [name]).fields;
    return field === undefined ? null : plainField(field);
  } finally {
    functions.destroyType(pointerTo(type));
  }
}

/** A field of which only the name is known. */
function nullField(name: string): ArrowField {
  return {
    name,
    type: { kind: 'null' },
    nullable: true,
    children: [],
    dictionary: null,
    metadata: new Map(),
  };
}

function range(count: unknown): number[] {
  return Array.from({ length: Number(count) }, (_, index) => index);
}

/** The `duckdb_prepared_statement` of a node-api statement: the first field of the struct that its External points at. */
export function statementPointer(prepared: DuckDBPreparedStatement): unknown {
  const external: unknown = Reflect.get(prepared, 'prepared_statement');
  if (external === null || typeof external !== 'object') {
    throw new Error('This version of @duckdb/node-api keeps its statements elsewhere: install 1.5.5-r.5.');
  }
  const pointer: unknown = koffi.decode(external, 'void *');
  if (pointer === null) throw new Error('The prepared statement is closed.');
  return pointer;
}
