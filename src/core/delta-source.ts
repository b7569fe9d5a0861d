import type { DeltaCallContext } from './delta.ts';

/** Which state of a table: a version, the one of a time (RFC 3339), or the latest. */
export interface DeltaMoment {
  readonly version?: number;
  readonly timestamp?: string;
}

/** One data file of a table's version. */
export interface DeltaDataFile {
  /** Where it is, below the table's folder. */
  readonly path: string;
  /** The values of the partition columns in their order, as texts that SQL can cast; null stands for NULL. */
  readonly partition: readonly (string | null)[];
  readonly bytes: number;
}

/** A version of a table as another engine can read it. */
export interface DeltaSnapshot {
  readonly version: number;
  /** The table's own id: one that was made anew under the same name has another. */
  readonly id: string;
  readonly columns: readonly string[];
  /** The partition columns with their SQL types. */
  readonly partitions: readonly { readonly name: string; readonly type: string }[];
  /** Null where files do not tell the table's rows alone (column mapping, deletion vectors). */
  readonly files: readonly DeltaDataFile[] | null;
}

/** Delta tables for an engine that reads Parquet itself. Methods throw ArrowportError. */
export interface DeltaSource {
  /** The table's folder; null where it is in an object store. Throws OPTION_INVALID for a name that is none. */
  folderOf(table: string): string | null;
  /** The folder that all tables are in; null where they are in an object store. */
  readonly rootFolder: string | null;
  /** Throws TABLE_NOT_FOUND, VERSION_NOT_FOUND, OPTION_INVALID for a time that is none. */
  findVersion(table: string, moment: DeltaMoment, context: DeltaCallContext): Promise<number>;
  /** Throws TABLE_NOT_FOUND, VERSION_NOT_FOUND. */
  snapshot(table: string, version: number, context: DeltaCallContext): Promise<DeltaSnapshot>;
  /** Writes a version's rows into a Parquet file: all of them, none (its columns alone), or those of some of its files. */
  writeParquet(
    table: string,
    options: { readonly version: number; readonly rows: 'all' | 'none' | readonly string[] },
    path: string,
    context: DeltaCallContext,
  ): Promise<void>;
  /** The names of all tables. */
  listNames(context: DeltaCallContext): Promise<readonly string[]>;
}
