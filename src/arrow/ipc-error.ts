import { ArrowportError } from '../errors.ts';

/** An IPC_MALFORMED error; `column` is the dotted path of the column at fault. */
export function malformed(message: string, column?: string): ArrowportError {
  if (column === undefined) return new ArrowportError('IPC_MALFORMED', message);
  return new ArrowportError('IPC_MALFORMED', `Column ${JSON.stringify(column)}: ${message}`, {
    details: { column },
  });
}

/** An IPC_TRUNCATED error. */
export function truncated(message: string): ArrowportError {
  return new ArrowportError('IPC_TRUNCATED', message);
}

/** A TYPE_UNSUPPORTED error for the column at the dotted path `column`. */
export function unsupportedType(message: string, column: string): ArrowportError {
  return new ArrowportError('TYPE_UNSUPPORTED', `Column ${JSON.stringify(column)}: ${message}`, {
    details: { column },
  });
}

/** A BODY_TOO_LARGE error for a message of `bytes` bytes, as declared. */
export function messageTooLarge(bytes: number, maxMessageBytes: number): ArrowportError {
  return new ArrowportError(
    'BODY_TOO_LARGE',
    `A message of ${bytes} bytes is over limits.max_message_bytes (${maxMessageBytes}); send smaller record batches.`,
    { details: { limit: 'limits.max_message_bytes' } },
  );
}

/** A DECOMPRESSED_TOO_LARGE error for what unfolds to `bytes` bytes and more. */
export function unfoldedTooLarge(what: string, bytes: number, maxMessageBytes: number): ArrowportError {
  return new ArrowportError(
    'DECOMPRESSED_TOO_LARGE',
    `${what} unfolds to ${bytes} bytes, which is over limits.max_message_bytes (${maxMessageBytes}); send smaller record batches.`,
    { details: { limit: 'limits.max_message_bytes' } },
  );
}

/** A DECOMPRESSED_TOO_LARGE error for a stream that unfolds by more than `ratio`. */
export function ratioTooLarge(what: string, ratio: number): ArrowportError {
  return new ArrowportError(
    'DECOMPRESSED_TOO_LARGE',
    `${what} unfolds to more than ${ratio} times its size, which limits.max_decompressed_ratio does not allow.`,
    { details: { limit: 'limits.max_decompressed_ratio' } },
  );
}
