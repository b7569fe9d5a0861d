import { ArrowportError, type ErrorCode } from '../../errors.ts';

/** The kinds of errors that the Delta worker sends; its README says what each stands for. */
export type WorkerErrorKind =
  | 'conflict'
  | 'schema_changed'
  | 'key_taken'
  | 'not_found'
  | 'version_not_found'
  | 'schema'
  | 'type'
  | 'constraint'
  | 'malformed'
  | 'predicate'
  | 'storage_unavailable'
  | 'no_bucket'
  | 'auth'
  | 'io_full'
  | 'corrupt'
  | 'invalid'
  | 'cancelled'
  | 'unknown'
  | 'internal';

interface KindRow {
  readonly code: ErrorCode;
  /** What clients are told; null where the worker's own words are made for them. */
  readonly message: string | null;
  readonly retryAfterMs?: number;
}

const kindTable: Record<WorkerErrorKind, KindRow> = {
  conflict: {
    code: 'COMMIT_CONFLICT',
    message: 'Other writers were faster on every try; nothing was written.',
  },
  schema_changed: {
    code: 'COMMIT_CONFLICT',
    message: "Another writer changed the table's schema meanwhile; nothing was written.",
  },
  key_taken: {
    code: 'COMMIT_CONFLICT',
    message: 'A load with the same key was committed meanwhile; send it again for its receipt.',
  },
  not_found: { code: 'TABLE_NOT_FOUND', message: 'There is no such Delta table.' },
  version_not_found: { code: 'VERSION_NOT_FOUND', message: null },
  schema: { code: 'SCHEMA_MISMATCH', message: 'The data does not fit the Delta table; nothing was written.' },
  type: { code: 'TYPE_UNSUPPORTED', message: null },
  constraint: { code: 'SCHEMA_MISMATCH', message: null },
  malformed: { code: 'IPC_MALFORMED', message: null },
  predicate: { code: 'OPTION_INVALID', message: null },
  storage_unavailable: {
    code: 'BACKEND_UNAVAILABLE',
    message:
      "The Delta table's storage does not answer; nothing was written. If it goes on, check endpoint and network of delta_config.storage_options.",
    retryAfterMs: 2000,
  },
  no_bucket: {
    code: 'BACKEND_UNAVAILABLE',
    message:
      'The bucket or container of the Delta tables does not exist: make it, or correct delta_config.table_path.',
    retryAfterMs: 30_000,
  },
  auth: {
    code: 'BACKEND_UNAVAILABLE',
    message:
      "The Delta table's storage refuses the configured credentials; nothing was written. Check those in delta_config.storage_options.",
    retryAfterMs: 30_000,
  },
  io_full: {
    code: 'BACKEND_UNAVAILABLE',
    message: "The Delta table's storage is full; nothing was written.",
    retryAfterMs: 30_000,
  },
  corrupt: {
    code: 'BACKEND_UNAVAILABLE',
    message:
      "The Delta table's log, or one of its files, is damaged or gone: the server's log says which. Restore it from a copy, or the table to a version that can be read.",
    retryAfterMs: 30_000,
  },
  invalid: { code: 'OPTION_INVALID', message: null },
  cancelled: { code: 'CANCELLED', message: 'The load was cancelled; nothing was written.' },
  unknown: {
    code: 'COMMIT_UNKNOWN',
    message: "The Delta table's storage does not say whether the commit is there.",
  },
  internal: { code: 'INTERNAL', message: 'The Delta worker failed on this request; the log has the cause.' },
};

/** An `error` frame of the worker. */
export interface WorkerErrorFrame {
  readonly kind: string;
  readonly message: string;
  readonly column?: string;
}

/** The error for clients that stands for an error of the worker; `table` is the one that the request was about. */
export function fromWorkerError(frame: WorkerErrorFrame, table: string | null = null): ArrowportError {
  const row = isKind(frame.kind) ? kindTable[frame.kind] : kindTable.internal;
  const message =
    frame.kind === 'not_found' && table !== null
      ? `There is no Delta table ${JSON.stringify(table)}.`
      : (row.message ?? frame.message);
  return new ArrowportError(row.code, message, {
    details: {
      ...(frame.column === undefined ? {} : { column: frame.column }),
      ...(row.retryAfterMs === undefined ? {} : { retryAfterMs: row.retryAfterMs }),
    },
  });
}

/** The error for a request that the worker's end cut off: `unknown` when its commit may have happened. */
export function workerGone(committing: boolean, cause: unknown): ArrowportError {
  if (committing) {
    return new ArrowportError(
      'COMMIT_UNKNOWN',
      'The Delta worker ended while it was committing; the rows may be in the table.',
      { cause },
    );
  }
  return new ArrowportError(
    'BACKEND_UNAVAILABLE',
    'The Delta worker ended; nothing was written. It is being restarted.',
    {
      cause,
      details: { retryAfterMs: 1000 },
    },
  );
}

function isKind(kind: string): kind is WorkerErrorKind {
  return Object.hasOwn(kindTable, kind);
}
