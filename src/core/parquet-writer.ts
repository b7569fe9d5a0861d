import type { LoadRequest } from './backend.ts';
import type { IpcMessage } from './ipc-message.ts';
import type { ArrowField } from './schema.ts';

/** Parquet's codecs, by the names that the configuration has for them. */
export type ParquetCompression = 'snappy' | 'gzip' | 'lz4' | 'zstd' | 'none';

/** Texts of the values that all rows of a file share, in the order of the partition's columns; null where there is none. */
export type PartitionValues = readonly (string | null)[];

/** Columns whose values part the rows: files hold rows of the same values, and not the columns themselves. */
export interface ParquetPartition {
  /** The columns with the types of their values; the stream has each by its name. */
  readonly columns: readonly ArrowField[];
  /** The folder below the job's that files of these values are in. */
  folderOf(values: PartitionValues): string;
}

/** Which rows to write, as what, and where. */
export interface ParquetJob {
  /** The stream that the rows come from. */
  readonly request: LoadRequest;
  /** The columns of the files in their order, with the types they are written as; the stream has each by its name. */
  readonly columns: readonly ArrowField[];
  /** How the rows are parted into files; null where they are not. */
  readonly partition: ParquetPartition | null;
  /** A local folder of the job's own; made when it is not there, and removed with `abort`. */
  readonly folder: string;
  readonly compression: ParquetCompression;
  /** Bytes that a file has at the most, but for its last row group. */
  readonly targetFileBytes: number;
}

/** Smallest or greatest value of a column: whole numbers, dates, times and decimals as their integers, texts as UTF-8. */
export type ParquetBound = bigint | number | boolean | Uint8Array;

/** What a file's footer says of one column that is in no list or map. */
export interface ParquetColumnStatistics {
  /** The column's name, and those of the fields inside it. */
  readonly path: readonly string[];
  /** Null where it is not known. */
  readonly nullCount: number | null;
  /** Null where it is not known, or where a NaN has no place in an order. */
  readonly min: ParquetBound | null;
  readonly max: ParquetBound | null;
}

/** A finished file. */
export interface ParquetFile {
  /** Its path in the job's folder. */
  readonly name: string;
  /** What the rows share; empty where they are not parted. */
  readonly partition: PartitionValues;
  readonly rows: number;
  readonly bytes: number;
  readonly columns: readonly ParquetColumnStatistics[];
}

/** Rows on their way into Parquet files. */
export interface ParquetLoad {
  /** Takes a message and, from now on, its memory; resolves when the next one may come. Throws codes of the ingest path. */
  write(message: IpcMessage): Promise<void>;
  /** Hands on what is gathered, so that its memory comes free. Returns at once, never throws. */
  flush(): void;
  /** Ends the files. They hold the rows in the order that they came in, file after file, and so within a partition. */
  finish(): Promise<readonly ParquetFile[]>;
  /** Removes everything. Never throws; may be called after a failed `write` or `finish`. */
  abort(): Promise<void>;
}

/** Writes Arrow streams into local Parquet files. */
export interface ParquetWriter {
  /** Whether it can write a stream's columns as those, exactly, and part the rows by the others. */
  covers(request: LoadRequest, columns: readonly ArrowField[], partition: readonly ArrowField[]): boolean;
  /** Begins to write. Throws codes of the ingest path. */
  open(job: ParquetJob): Promise<ParquetLoad>;
  close(): Promise<void>;
}
