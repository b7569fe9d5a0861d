/** What a client may do after an error: give up, send again, or send again with the same key. */
export type Outcome = 'rejected' | 'retryable' | 'unknown';

/** gRPC status names as the gRPC specification spells them. */
export type GrpcStatusName =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED';

interface ErrorRow {
  readonly outcome: Outcome;
  readonly http: number;
  readonly grpc: GrpcStatusName;
  readonly title: string;
  /** What the caller should do about it; printed in the reference. */
  readonly remedy: string;
}

/** The one table of error codes. Both protocol maps and the reference page come from it. */
export const errorTable = {
  STREAM_NAME_INVALID: {
    outcome: 'rejected',
    http: 400,
    grpc: 'INVALID_ARGUMENT',
    title: 'The stream name is not allowed',
    remedy: 'Use 1 to 128 characters of A-Z a-z 0-9 _ - . that start with a letter, a digit or _.',
  },
  IPC_MALFORMED: {
    outcome: 'rejected',
    http: 400,
    grpc: 'INVALID_ARGUMENT',
    title: 'The body is not valid Arrow IPC',
    remedy: 'Write the body with an Arrow library (stream or file format) and send its bytes unchanged.',
  },
  IPC_TRUNCATED: {
    outcome: 'rejected',
    http: 400,
    grpc: 'INVALID_ARGUMENT',
    title: 'The Arrow body ends in the middle of a message',
    remedy: 'Send the whole body; check that the writer was closed before sending.',
  },
  MEDIA_TYPE_UNSUPPORTED: {
    outcome: 'rejected',
    http: 415,
    grpc: 'INVALID_ARGUMENT',
    title: 'The media type is not one that is understood here',
    remedy: 'Send application/vnd.apache.arrow.stream or application/vnd.apache.arrow.file.',
  },
  NOT_ACCEPTABLE: {
    outcome: 'rejected',
    http: 406,
    grpc: 'INVALID_ARGUMENT',
    title: 'The answer has none of the forms that were asked for',
    remedy: 'Send an Accept header with one of the media types that the error names.',
  },
  CODEC_UNSUPPORTED: {
    outcome: 'rejected',
    http: 415,
    grpc: 'INVALID_ARGUMENT',
    title: 'The compression is not one that is understood here',
    remedy: 'Compress IPC buffers with ZSTD or LZ4_FRAME, bodies with zstd, gzip or br.',
  },
  BODY_TOO_LARGE: {
    outcome: 'rejected',
    http: 413,
    grpc: 'RESOURCE_EXHAUSTED',
    title: 'The body or one of its messages is over a limit',
    remedy: 'Send smaller record batches or bodies, or raise the limit named in the error.',
  },
  DECOMPRESSED_TOO_LARGE: {
    outcome: 'rejected',
    http: 413,
    grpc: 'RESOURCE_EXHAUSTED',
    title: 'The body unfolds to more than the limits allow',
    remedy: 'Send smaller record batches, or raise the limit named in the error.',
  },
  SCHEMA_MISMATCH: {
    outcome: 'rejected',
    http: 409,
    grpc: 'FAILED_PRECONDITION',
    title: 'The stream does not fit the table',
    remedy:
      'Send the columns the error names as the table has them, or route the stream with schema_mode: merge.',
  },
  TYPE_UNSUPPORTED: {
    outcome: 'rejected',
    http: 422,
    grpc: 'INVALID_ARGUMENT',
    title: 'The target cannot hold a column exactly',
    remedy: 'Cast the column that the error names before sending.',
  },
  IDEMPOTENCY_CONFLICT: {
    outcome: 'rejected',
    http: 409,
    grpc: 'ALREADY_EXISTS',
    title: 'The idempotency key belongs to another load of this table',
    remedy: 'Use a new key for a new load.',
  },
  TABLE_NOT_FOUND: {
    outcome: 'rejected',
    http: 404,
    grpc: 'NOT_FOUND',
    title: 'There is no such stream or table',
    remedy: 'Check the name; a table appears with its first committed load.',
  },
  VERSION_NOT_FOUND: {
    outcome: 'rejected',
    http: 404,
    grpc: 'NOT_FOUND',
    title: 'The table has no such version',
    remedy: 'Ask the history for the versions there are.',
  },
  QUERY_INVALID: {
    outcome: 'rejected',
    http: 400,
    grpc: 'INVALID_ARGUMENT',
    title: 'The SQL statement cannot be run',
    remedy: 'Correct the statement or its parameters; position is the character that the error is about.',
  },
  QUERY_FORBIDDEN: {
    outcome: 'rejected',
    http: 403,
    grpc: 'PERMISSION_DENIED',
    title: 'The statement does what SQL may not do here',
    remedy:
      'Send one statement a call that only reads; writing to tables takes a token with the scope admin.',
  },
  QUERY_TIMEOUT: {
    outcome: 'retryable',
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
    title: 'The query took longer than it may',
    remedy:
      'Ask for less at once, or allow more time: timeout_ms in the request, query.timeout_ms at the server.',
  },
  RESULT_TOO_LARGE: {
    outcome: 'rejected',
    http: 413,
    grpc: 'RESOURCE_EXHAUSTED',
    title: 'The result is over a limit of the server',
    remedy: 'Ask for fewer rows or columns, or raise the limit named in the error.',
  },
  TICKET_INVALID: {
    outcome: 'rejected',
    http: 400,
    grpc: 'INVALID_ARGUMENT',
    title: 'The ticket is not one of this server, or has expired',
    remedy: 'Ask for the flight info again, and use its ticket soon.',
  },
  HANDLE_NOT_FOUND: {
    outcome: 'rejected',
    http: 404,
    grpc: 'NOT_FOUND',
    title: 'There is no such statement, transaction or session',
    remedy: 'Begin again: it was closed, or was idle for too long.',
  },
  TABLE_EXISTS: {
    outcome: 'rejected',
    http: 409,
    grpc: 'ALREADY_EXISTS',
    title: 'The table exists already',
    remedy: 'Choose another name, or append to the table or replace it.',
  },
  OPTION_INVALID: {
    outcome: 'rejected',
    http: 422,
    grpc: 'INVALID_ARGUMENT',
    title: 'An option of the request is not valid',
    remedy: 'Correct the option that the error names.',
  },
  CONFIG_INVALID: {
    outcome: 'rejected',
    http: 422,
    grpc: 'INVALID_ARGUMENT',
    title: 'The configuration does not check',
    remedy: 'Correct the line that the error names; the configuration in force was kept.',
  },
  UNAUTHENTICATED: {
    outcome: 'rejected',
    http: 401,
    grpc: 'UNAUTHENTICATED',
    title: 'The request carries no valid credentials',
    remedy: 'Send a valid token as Authorization: Bearer.',
  },
  FORBIDDEN: {
    outcome: 'rejected',
    http: 403,
    grpc: 'PERMISSION_DENIED',
    title: 'The credentials do not allow this',
    remedy: 'Use a token with the scope and the stream that the error names.',
  },
  OVERLOADED: {
    outcome: 'retryable',
    http: 429,
    grpc: 'UNAVAILABLE',
    title: 'The server has no room for this load now',
    remedy: 'Send it again after Retry-After.',
  },
  SHUTTING_DOWN: {
    outcome: 'retryable',
    http: 503,
    grpc: 'UNAVAILABLE',
    title: 'The server is shutting down',
    remedy: 'Send it again after Retry-After, to the next server.',
  },
  BACKEND_UNAVAILABLE: {
    outcome: 'retryable',
    http: 503,
    grpc: 'UNAVAILABLE',
    title: 'The storage backend is not available',
    remedy: 'Send it again after Retry-After; /health/ready says what is wrong.',
  },
  COMMIT_CONFLICT: {
    outcome: 'retryable',
    http: 503,
    grpc: 'ABORTED',
    title: 'Another writer was faster',
    remedy: 'Send it again.',
  },
  CANCELLED: {
    outcome: 'retryable',
    http: 499,
    grpc: 'CANCELLED',
    title: 'The client went away before the commit',
    remedy: 'Send it again.',
  },
  DEADLINE_EXCEEDED: {
    outcome: 'retryable',
    http: 504,
    grpc: 'DEADLINE_EXCEEDED',
    title: 'The time allowed ran out before the commit',
    remedy: 'Send it again, faster or with a longer deadline.',
  },
  COMMIT_UNKNOWN: {
    outcome: 'unknown',
    http: 500,
    grpc: 'UNKNOWN',
    title: 'The commit may or may not have happened',
    remedy: 'Send it again with the same Idempotency-Key, or look before sending.',
  },
  INTERNAL: {
    outcome: 'retryable',
    http: 500,
    grpc: 'INTERNAL',
    title: 'The server failed',
    remedy: 'Send it again; the log has the cause under the request id.',
  },
} as const satisfies Record<string, ErrorRow>;

/** A code of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

/** What an error carries besides its text; each key appears in the problem document under its snake_case name. */
export interface ErrorDetails {
  /** The column (dotted path for nested fields) that is at fault. */
  readonly column?: string;
  /** The limit that was exceeded: its config key, e.g. `limits.max_message_bytes`. */
  readonly limit?: string;
  /** Milliseconds after which a retry makes sense. */
  readonly retryAfterMs?: number;
  /** 1-based line in the config file. */
  readonly line?: number;
  /** 1-based: the column in the config file, or the character of the SQL statement. */
  readonly position?: number;
}

/**
 * The only error class that crosses rooms. `message` is written for the client; what is meant for the log
 * only goes into `cause`.
 */
export class ArrowportError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ArrowportError';
    this.code = code;
    this.details = options.details ?? {};
  }

  get outcome(): Outcome {
    return errorTable[this.code].outcome;
  }

  get httpStatus(): number {
    return errorTable[this.code].http;
  }

  get grpcStatus(): GrpcStatusName {
    return errorTable[this.code].grpc;
  }
}

/** Wraps anything thrown into an {@link ArrowportError}; what was not one becomes INTERNAL with the text kept as cause. */
export function toArrowportError(thrown: unknown): ArrowportError {
  if (thrown instanceof ArrowportError) return thrown;
  return new ArrowportError('INTERNAL', 'The server failed on this request; its log has the cause.', {
    cause: thrown,
  });
}
