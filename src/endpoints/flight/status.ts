import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { ArrowportError, toArrowportError } from '../../errors.ts';

/** The trailers that an error of Arrowport carries over Flight. */
export const trailer = {
  errorCode: 'arrowport-error-code',
  outcome: 'arrowport-outcome',
  requestId: 'arrowport-request-id',
  retryAfterMs: 'retry-after-ms',
} as const;

/** Bytes of the percent-encoded message; clients refuse trailers past 8 KiB, and the other trailers need room. */
const MAX_ENCODED_MESSAGE = 6000;

/** A call or a form of it that this server does not offer; its message is written for the client. */
export class UnimplementedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnimplementedError';
  }
}

/**
 * The gRPC status of anything thrown: code and trailers by the error table, the message led by the code.
 * What is neither an ArrowportError nor an UnimplementedError answers INTERNAL without its text.
 */
export function toStatus(thrown: unknown, requestId: string): StatusObject {
  const metadata = new Metadata();
  metadata.set(trailer.requestId, requestId);
  if (thrown instanceof UnimplementedError) {
    return {
      code: status.UNIMPLEMENTED,
      details: boundMessage(`UNIMPLEMENTED: ${thrown.message}`),
      metadata,
    };
  }
  const error = toArrowportError(thrown);
  metadata.set(trailer.errorCode, error.code);
  metadata.set(trailer.outcome, error.outcome);
  if (error.details.retryAfterMs !== undefined) {
    metadata.set(trailer.retryAfterMs, String(Math.ceil(error.details.retryAfterMs)));
  }
  return {
    code: status[error.grpcStatus],
    details: boundMessage(`${error.code}: ${error.message}`),
    metadata,
  };
}

/** The error that a status stands for which the gRPC library made by itself; undefined for OK and Arrowport's own. */
export function findLibraryError(headers: Readonly<Record<string, unknown>>): ArrowportError | undefined {
  if (headers[trailer.errorCode] !== undefined) return undefined;
  const text = decodeURI(String(headers['grpc-message'] ?? ''));
  const known = libraryErrors.find(
    ({ status, text: pattern }) => status === Number(headers['grpc-status']) && pattern.test(text),
  );
  return known?.error(text);
}

interface LibraryError {
  readonly status: number;
  readonly text: RegExp;
  error(text: string): ArrowportError;
}

/** What the gRPC library itself answers with, in the words of the error table; the first that fits counts. */
const libraryErrors: readonly LibraryError[] = [
  { status: status.RESOURCE_EXHAUSTED, text: /^/, error: tooLargeError },
  {
    status: status.DEADLINE_EXCEEDED,
    text: /^/,
    error: () =>
      new ArrowportError('DEADLINE_EXCEEDED', 'The deadline that the client set passed before the commit.'),
  },
  {
    status: status.UNIMPLEMENTED,
    text: /compressed with unsupported encoding/,
    error: () =>
      new ArrowportError(
        'CODEC_UNSUPPORTED',
        'The gRPC message encoding is not one of identity, gzip and deflate.',
      ),
  },
  {
    status: status.INTERNAL,
    text: /decompress/,
    error: () => new ArrowportError('IPC_MALFORMED', 'A gRPC message cannot be decompressed.'),
  },
  ...[status.INTERNAL, status.UNKNOWN].map((code) => ({
    status: code,
    text: /^/,
    error: () => new ArrowportError('INTERNAL', 'The server could not read or answer the call.'),
  })),
];

function tooLargeError(text: string): ArrowportError {
  const [, bytes] = /larger than max \((\d+)/.exec(text) ?? [];
  const size = bytes === undefined ? 'A message' : `A message of ${bytes} bytes`;
  const details = { limit: 'limits.max_message_bytes' };
  return new ArrowportError('BODY_TOO_LARGE', `${size} is over limits.max_message_bytes.`, { details });
}

/** The headers of a status with the code, the message and the trailers of an error in place of its own. */
export function withError<T extends Record<string, unknown>>(headers: T, error: ArrowportError): T {
  return {
    ...headers,
    'grpc-status': status[error.grpcStatus],
    'grpc-message': encodeURI(boundMessage(`${error.code}: ${error.message}`)),
    [trailer.errorCode]: error.code,
    [trailer.outcome]: error.outcome,
  };
}

/** Cuts a message to what fits a trailer, and makes it encodable whatever a client put into it. */
function boundMessage(message: string): string {
  const text = message.toWellFormed();
  if (encodeURI(text).length <= MAX_ENCODED_MESSAGE) return text;
  let length = Math.min(text.length, MAX_ENCODED_MESSAGE);
  while (length > 0 && encodeURI(text.slice(0, length).toWellFormed()).length > MAX_ENCODED_MESSAGE) {
    length = Math.floor(length * 0.9);
  }
  return `${text.slice(0, length).toWellFormed()}…`;
}

/** The error of a call whose client went away. */
export function cancelledError(): ArrowportError {
  return new ArrowportError(
    'CANCELLED',
    'The client cancelled the call or its connection broke before the commit.',
  );
}
