import type { BodyLease, IpcMessage } from '../core/ipc-message.ts';
import type { ArrowSchema } from '../core/schema.ts';
import { malformed } from './ipc-error.ts';
import type { DictionaryBatchMetadata, MessageMetadata, RecordBatchMetadata } from './metadata.ts';

/** Puts a message together; its `release` gives the lease back, once. */
export function assembleMessage(
  decoded: RecordBatchMetadata | DictionaryBatchMetadata,
  metadata: Uint8Array,
  body: Uint8Array,
  lease: BodyLease | null,
): IpcMessage {
  let held = lease;
  const base = {
    metadata,
    body,
    bytes: metadata.byteLength + body.byteLength,
    header: decoded.header,
    release() {
      const owned = held;
      held = null;
      owned?.release();
    },
  };
  if (decoded.kind === 'record-batch') return { kind: 'record-batch', ...base };
  return { kind: 'dictionary-batch', id: decoded.id, isDelta: decoded.isDelta, ...base };
}

/** The schema that the first message of a stream carries. Throws IPC_MALFORMED when it is another message. */
export function requireSchema(first: MessageMetadata): ArrowSchema {
  if (first.kind !== 'schema') throw malformed('The first message of the stream is not a schema.');
  if (first.bodyLength !== 0) throw malformed('The schema message declares a body.');
  return first.schema;
}

/** The batch that a later message carries. Throws IPC_MALFORMED when it is a second schema. */
export function requireBatch(next: MessageMetadata): RecordBatchMetadata | DictionaryBatchMetadata {
  if (next.kind === 'schema') throw malformed('The stream has a second schema.');
  return next;
}
