import type { DuckDBConnection } from '@duckdb/node-api';
import type { ParquetView } from './parquet-view.ts';

/** What a load copies its rows with: a connection of its own, and the view on it that reads them. */
export class CopySession {
  readonly connection: DuckDBConnection;
  readonly view: ParquetView;

  constructor(connection: DuckDBConnection, view: ParquetView) {
    this.connection = connection;
    this.view = view;
  }

  /** Ends the statement that is running, if there is one. */
  interrupt(): void {
    this.connection.interrupt();
  }

  /** Gives both back. Never throws. */
  async close(): Promise<void> {
    await this.view.close();
    this.connection.closeSync();
  }
}
