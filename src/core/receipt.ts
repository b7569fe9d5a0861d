/** What a committed load is answered with, over HTTP and Flight alike; the field names are the JSON's. */
export interface CommitReceipt {
  readonly status: 'success';
  readonly stream: string;
  readonly table: string;
  readonly storage_backend: BackendKind;
  readonly rows_processed: number;
  /** Record batches received. */
  readonly batches: number;
  /** Arrow bytes after Content-Encoding, before buffer decompression. */
  readonly bytes: number;
  /** A ULID, unique to the commit. */
  readonly commit_id: string;
  /** The Delta table version; null elsewhere. */
  readonly version: number | null;
  readonly replayed: boolean;
  readonly duration_ms: number;
  readonly message: string;
  /** Rows durable of this stream so far; on the receipts of a split DoPut. */
  readonly rows_total?: number;
  /** Batches durable of this stream so far; on the receipts of a split DoPut. */
  readonly batches_total?: number;
}

/** The kinds of storage a route can name. */
export type BackendKind = 'duckdb' | 'delta';
