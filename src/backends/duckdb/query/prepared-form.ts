import type { DuckDBPreparedStatement } from '@duckdb/node-api';

/** A prepared statement, which keeps what a run of it has gathered and not given out until it is let go. */
export class PreparedForm {
  readonly #prepare: () => Promise<DuckDBPreparedStatement>;
  #prepared: DuckDBPreparedStatement | null;

  constructor(prepared: DuckDBPreparedStatement, prepare: () => Promise<DuckDBPreparedStatement>) {
    this.#prepared = prepared;
    this.#prepare = prepare;
  }

  /** Prepares anew what was let go. */
  async take(): Promise<DuckDBPreparedStatement> {
    this.#prepared ??= await this.#prepare();
    return this.#prepared;
  }

  letGo(): void {
    this.#prepared?.destroySync();
    this.#prepared = null;
  }
}
