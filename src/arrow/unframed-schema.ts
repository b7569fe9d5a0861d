import type { ArrowSchema } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { malformed, truncated } from './ipc-error.ts';
import { requireSchema } from './message-assembly.ts';
import { MAX_METADATA_BYTES, readMessageMetadata } from './metadata.ts';

const WORD_BYTES = 8;
const MARKER = 0xffffffff;
/** A schema holds few words that look like a marker; a body that is full of them is not worth the work. */
const MAX_ATTEMPTS = 64;

/** A schema and the message that carries it. */
export interface UnframedSchema {
  readonly schema: ArrowSchema;
  readonly metadata: Uint8Array;
}

/**
 * Reads the flatbuffer `Message` of a schema that stands in a file without its frame, as Polars writes it: its length
 * is not said, so it goes on to the continuation marker of the next message, which is left to be read.
 * Readers that start from the footer never look at it. Throws IPC_MALFORMED, IPC_TRUNCATED, TYPE_UNSUPPORTED.
 */
export async function readUnframedSchema(source: ByteSource): Promise<UnframedSchema> {
  let bytes = new Uint8Array(1024);
  let length = 0;
  for (let attempts = 0; attempts < MAX_ATTEMPTS && length < MAX_METADATA_BYTES; ) {
    const word = await source.take(WORD_BYTES);
    if (word.byteLength < WORD_BYTES) throw truncated('The file ends within its schema.');
    if (new DataView(word.buffer, word.byteOffset).getUint32(0, true) === MARKER) {
      attempts += 1;
      const metadata = bytes.slice(0, length);
      const schema = findSchema(metadata);
      if (schema !== undefined) {
        source.unread(word);
        return { schema, metadata };
      }
    }
    if (length + WORD_BYTES > bytes.byteLength) {
      const larger = new Uint8Array(bytes.byteLength * 2);
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(word, length);
    length += WORD_BYTES;
  }
  throw malformed('The file does not start with a schema.');
}

/** The schema in these bytes; undefined where they are damaged or not all of it. */
function findSchema(metadata: Uint8Array): ArrowSchema | undefined {
  try {
    return requireSchema(readMessageMetadata(metadata));
  } catch (error) {
    if (error instanceof ArrowportError && error.code === 'IPC_MALFORMED') return undefined;
    throw error;
  }
}
