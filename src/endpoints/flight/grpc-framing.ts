/** Bytes before each gRPC message: a flag of compression and the message's length. */
const PREFIX_BYTES = 5;

/** Follows the gRPC messages in a request body without keeping any of it. */
export interface GrpcFraming {
  /** Takes the next bytes of the body. */
  push(chunk: Uint8Array): void;
  bytesReceived(): number;
  /** Whether the bytes so far end inside a message, which the gRPC library would drop in silence. */
  insideMessage(): boolean;
}

/**
 * Makes the framing of one request body.
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export function createGrpcFraming(): GrpcFraming {
  let received = 0;
  let prefixRead = 0;
  let messageLength = 0;
  let remaining = 0;
  return {
    push(chunk) {
      received += chunk.length;
      let position = Math.min(remaining, chunk.length);
      remaining -= position;
      while (position < chunk.length) {
        const byte = chunk[position++] ?? 0;
        if (prefixRead++ > 0) messageLength = messageLength * 256 + byte;
        if (prefixRead < PREFIX_BYTES) continue;
        const present = Math.min(messageLength, chunk.length - position);
        position += present;
        remaining = messageLength - present;
        prefixRead = 0;
        messageLength = 0;
      }
    },
    bytesReceived: () => received,
    insideMessage: () => remaining > 0 || prefixRead > 0,
  };
}
