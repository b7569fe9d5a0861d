import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { ArrowportError, type ErrorCode, errorTable, toArrowportError } from '../../errors.ts';

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

/** What the gRPC library itself answers with, by status code, in the words of the error table. */
const codesOfLibraryStatus: ReadonlyMap<number, ErrorCode> = new Map([
  [status.RESOURCE_EXHAUSTED, 'BODY_TOO_LARGE'],
  [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED'],
  [status.INTERNAL, 'INTERNAL'],
  [status.UNKNOWN, 'INTERNAL'],
]);

/**
 * Gives a status that the gRPC library made by itself (an oversized message, a passed deadline) the code word
 * and the trailers that Arrowport's own have. Statuses that have them already, and OK, stay as they are.
 */
export function completeStatusHeaders<T extends Record<string, unknown>>(headers: T): T {
  const code = codesOfLibraryStatus.get(Number(headers['grpc-status']));
  if (code === undefined || headers[trailer.errorCode] !== undefined) return headers;
  const text = String(headers['grpc-message'] ?? '');
  const hint = code === 'BODY_TOO_LARGE' ? encodeURI(' (limits.max_message_bytes)') : '';
  return {
    ...headers,
    'grpc-status': status[errorTable[code].grpc],
    'grpc-message': text.startsWith(`${code}:`) ? text : `${code}:%20${text}${hint}`,
    [trailer.errorCode]: code,
    [trailer.outcome]: errorTable[code].outcome,
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
