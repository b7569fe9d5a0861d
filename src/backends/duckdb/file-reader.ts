import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { ArrowSchema } from '../../core/schema.ts';
import { type ArrowResult, type BatchSize, readArrowResult } from './arrow-result.ts';

/** The kinds of file that DuckDB reads. */
export type TableFileFormat = 'parquet' | 'csv' | 'ndjson';

/** Reads table files through a DuckDB of its own, in memory and without network. */
export interface FileReader {
  readSchema(path: string, format: TableFileFormat): Promise<ArrowSchema>;
  /** Reads the file in the order of its rows; no more than a batch is held. Throws DuckDB's own errors. */
  openFile(path: string, format: TableFileFormat, size: BatchSize): Promise<ArrowResult>;
  close(): void;
}

const queries: Record<TableFileFormat, string> = {
  parquet: 'SELECT * FROM read_parquet($1)',
  csv: 'SELECT * FROM read_csv($1)',
  ndjson: "SELECT * FROM read_json($1, format = 'newline_delimited')",
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
  return {
    async readSchema(path, format) {
      const { schema, batches } = readArrowResult(await stream(`${queries[format]} LIMIT 0`, path), noRows);
      await batches[Symbol.asyncIterator]().return?.();
      return schema;
    },
    async openFile(path, format, size) {
      return readArrowResult(await stream(queries[format], path), size);
    },
    close() {
      for (const connection of connections) connection.closeSync();
      instance.closeSync();
    },
  };
}

const noRows: BatchSize = { rows: 1, bytes: 1 };
