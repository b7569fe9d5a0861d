import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { ArrowSchema } from '../../core/schema.ts';
import { type ArrowResult, type BatchSize, readArrowResult } from './arrow-result.ts';

/** The kinds of file that DuckDB reads. */
export type TableFileFormat = 'parquet' | 'csv' | 'ndjson';

/** Columns by name, with the types in DuckDB's spelling that text is to be read as; the others are as DuckDB finds them. */
export type TextTypes = ReadonlyMap<string, string>;

/** A file and how to read it. */
export interface TableFile {
  readonly path: string;
  readonly format: TableFileFormat;
  readonly types: TextTypes;
}

/** Reads table files through a DuckDB of its own, in memory and without network. */
export interface FileReader {
  readSchema(file: TableFile): Promise<ArrowSchema>;
  /** Reads the file in the order of its rows; no more than a batch is held. Throws DuckDB's own errors. */
  openFile(file: TableFile, size: BatchSize): Promise<ArrowResult>;
  close(): void;
}

const readers: Record<TableFileFormat, string> = {
  parquet: 'read_parquet($1)',
  csv: 'read_csv($1)',
  // One object a line, or all of them in one array: both are called JSON.
  ndjson: "read_json($1, format = 'auto')",
};

/** Starts a reader; the caller closes it. */
export async function createFileReader(): Promise<FileReader> {
  const instance = await DuckDBInstance.create(':memory:', { autoinstall_known_extensions: 'false' });
  const connections: DuckDBConnection[] = [];
  const stream = async (sql: string, path: string) => {
    // A streaming result occupies its connection.
    const connection = await instance.connect();
    connections.push(connection);
    return connection.stream(sql, [path]);
  };
  const describe = async ({ path, format, types }: TableFile): Promise<string> => {
    const reader = readers[format];
    if (types.size === 0 || format === 'parquet') return reader;
    const connection = await instance.connect();
    connections.push(connection);
    const rows = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${reader}`, [path]);
    const found = rows.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }));
    return withTypes(reader, format, found, types);
  };
  return {
    async readSchema(file) {
      const sql = `SELECT * FROM ${await describe(file)} LIMIT 0`;
      const { schema, batches } = readArrowResult(await stream(sql, file.path), noRows);
      await batches[Symbol.asyncIterator]().return?.();
      return schema;
    },
    async openFile(file, size) {
      return readArrowResult(await stream(`SELECT * FROM ${await describe(file)}`, file.path), size);
    },
    close() {
      for (const connection of connections) connection.closeSync();
      instance.closeSync();
    },
  };
}

/** The reader's call with the types that are wanted, of those columns that the file has. */
function withTypes(
  reader: string,
  format: 'csv' | 'ndjson',
  found: readonly { name: string; type: string }[],
  types: TextTypes,
): string {
  // JSON's reader wants to be told all columns or none.
  const told = found.filter(({ name }) => format === 'ndjson' || types.has(name));
  if (!told.some(({ name, type }) => (types.get(name) ?? type) !== type)) return reader;
  const entries = told.map(({ name, type }) => `${quoteText(name)}: ${quoteText(types.get(name) ?? type)}`);
  const option = format === 'csv' ? 'types' : 'columns';
  return `${reader.slice(0, -1)}, ${option} = {${entries.join(', ')}})`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const noRows: BatchSize = { rows: 1, bytes: 1 };
