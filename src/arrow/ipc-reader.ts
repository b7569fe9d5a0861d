import type { StreamResources } from '../core/ingest.ts';
import type { IpcMessage, IpcStream } from '../core/ipc-message.ts';
import type { ArrowSchema } from '../core/schema.ts';
import { ArrowportError } from '../errors.ts';
import { FILE_MAGIC, findBodyFormat } from './body-format.ts';
import { ByteSource } from './byte-source.ts';
import { withDictionariesFirst } from './dictionaries-first.ts';
import { readFileFooter } from './file-footer.ts';
import { fillBody } from './fill-body.ts';
import { malformed, messageTooLarge, truncated } from './ipc-error.ts';
import { assembleMessage, requireBatch, requireSchema } from './message-assembly.ts';
import { iterateMessages, type MessageReader } from './message-sequence.ts';
import { MAX_METADATA_BYTES, type MessageMetadata, readMessageMetadata } from './metadata.ts';
import { readUnframedSchema } from './unframed-schema.ts';

/** What a body is: an IPC stream, an IPC file, or whichever its first bytes tell. */
export type IpcFormat = 'stream' | 'file' | 'sniff';

const CONTINUATION = -1;
const EMPTY = new Uint8Array(0);
/** No message is as short as this; what starts with so small a number is the footer of a file. */
const SHORTEST_METADATA = 48;

/**
 * Opens a body in the IPC stream or file format: reads its schema, then hands out its messages one by one, each
 * body copied once, straight into memory of `resources.allocator`. A file is read front to back, never held.
 * Errors of `chunks` pass through unchanged; the chunks are told to stop when the reader is done with them.
 * Throws IPC_MALFORMED, IPC_TRUNCATED, MEDIA_TYPE_UNSUPPORTED, CODEC_UNSUPPORTED, TYPE_UNSUPPORTED, BODY_TOO_LARGE,
 * and what the allocator throws.
 * @see https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
 */
export async function openIpcBody(
  chunks: AsyncIterable<Uint8Array>,
  format: IpcFormat,
  resources: StreamResources,
): Promise<IpcStream> {
  const source = new ByteSource(chunks);
  try {
    const isFile = await readStart(source, format);
    const reader = new IpcBodyReader(source, isFile, resources);
    const { schema, metadata } = await reader.readSchema();
    const ordered = isFile ? withDictionariesFirst(reader, schema, resources.limits.maxMessageBytes) : reader;
    return { schema, schemaMetadata: metadata, messages: iterateMessages(ordered) };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Finds out which format the body has and reads the magic of a file; resolves with whether it is one. */
async function readStart(source: ByteSource, format: IpcFormat): Promise<boolean> {
  const start = await source.take(8);
  if (start.byteLength === 0) throw truncated('The body is empty.');
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('FEA1')) {
    throw new ArrowportError(
      'MEDIA_TYPE_UNSUPPORTED',
      'The body is a Feather V1 file; write it as Feather V2, which is the Arrow IPC file format.',
    );
  }
  const looksLike = findBodyFormat(start);
  const isFile = text.startsWith(FILE_MAGIC);
  if (isFile && format !== 'stream') return true;
  if (format === 'file') {
    if (FILE_MAGIC.startsWith(text)) throw truncated('The file ends within its first bytes.');
    throw malformed(`The body does not start with ${FILE_MAGIC}${hint(looksLike)}.`);
  }
  const couldBeStream = looksLike === undefined || looksLike === 'an Arrow IPC stream';
  if (!couldBeStream && format === 'sniff') {
    throw new ArrowportError('MEDIA_TYPE_UNSUPPORTED', `The body is not Arrow IPC${hint(looksLike)}.`);
  }
  if (!couldBeStream && readInt32(start) > MAX_METADATA_BYTES) {
    throw malformed(`The body is not an Arrow IPC stream${hint(looksLike)}.`);
  }
  source.unread(start);
  return false;
}

/** What to do about a body of another format than was announced. */
const remedies: Readonly<Record<string, string>> = {
  'an Arrow IPC file': 'send it as application/vnd.apache.arrow.file',
  'an Arrow IPC stream': 'send it as application/vnd.apache.arrow.stream',
  'a Parquet file': 'the command "arrowport ingest" sends such files',
  JSON: 'the command "arrowport ingest" sends such files',
  text: 'the command "arrowport ingest" sends CSV files',
};

function hint(looksLike: string | undefined): string {
  if (looksLike === undefined) return '';
  const remedy = remedies[looksLike];
  return `; it looks like ${looksLike}${remedy === undefined ? '' : `: ${remedy}`}`;
}

function readInt32(bytes: Uint8Array): number {
  if (bytes.byteLength < 4) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0, true);
}

interface ReadMetadata {
  readonly metadata: Uint8Array;
  readonly decoded: MessageMetadata;
}

class IpcBodyReader implements MessageReader {
  readonly #source: ByteSource;
  readonly #isFile: boolean;
  readonly #resources: StreamResources;
  #recordBatches = 0;
  #dictionaries = 0;
  #sawSchema = false;
  #hasContinuations = false;

  constructor(source: ByteSource, isFile: boolean, resources: StreamResources) {
    this.#source = source;
    this.#isFile = isFile;
    this.#resources = resources;
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  async next(): Promise<IpcMessage | null> {
    const read = await this.#readMetadata();
    if (read === null) {
      await this.#readEnd();
      return null;
    }
    const batch = requireBatch(read.decoded);
    if (batch.kind === 'record-batch') this.#recordBatches += 1;
    else this.#dictionaries += 1;
    const { maxMessageBytes } = this.#resources.limits;
    const bytes = read.metadata.byteLength + batch.bodyLength;
    if (bytes > maxMessageBytes) throw messageTooLarge(bytes, maxMessageBytes);
    if (batch.bodyLength === 0) return assembleMessage(batch, read.metadata, EMPTY, null);
    const lease = await this.#resources.allocator.allocate(batch.bodyLength);
    try {
      const received = await fillBody(lease, batch.bodyLength, (target) => this.#source.readInto(target));
      if (received < batch.bodyLength) throw truncated('The body ends in the middle of a message.');
      const body = lease.bytes.subarray(0, batch.bodyLength);
      return assembleMessage(batch, read.metadata, body, lease);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Resolves with the schema and the message that carries it. */
  async readSchema(): Promise<{ schema: ArrowSchema; metadata: Uint8Array }> {
    if (this.#isFile && (await this.#startsUnframed())) {
      this.#sawSchema = true;
      return readUnframedSchema(this.#source);
    }
    const first = await this.#readMetadata();
    if (first === null) throw malformed('The body has no schema.');
    return { schema: requireSchema(first.decoded), metadata: first.metadata };
  }

  /** Leaves out what pads the magic of a file to a writer's alignment; resolves with whether a bare schema follows. */
  async #startsUnframed(): Promise<boolean> {
    let word = await this.#source.take(4);
    for (let skipped = 8; skipped < 64 && word.byteLength === 4 && readInt32(word) === 0; skipped += 4) {
      word = await this.#source.take(4);
    }
    this.#source.unread(word);
    const first = readInt32(word);
    return first > 0 && first < SHORTEST_METADATA;
  }

  /** Resolves with the metadata of the next message; null at the end marker or at the end of a stream. */
  async #readMetadata(): Promise<ReadMetadata | null> {
    const length = await this.#readLength();
    if (length === 0) return null;
    const { maxMessageBytes } = this.#resources.limits;
    if (length < 0) throw malformed('A message declares a negative metadata length.');
    if (length > MAX_METADATA_BYTES) {
      if (this.#hasContinuations && length > maxMessageBytes) throw messageTooLarge(length, maxMessageBytes);
      throw malformed(
        this.#sawSchema || this.#hasContinuations
          ? `A message declares ${length} bytes of metadata; ${MAX_METADATA_BYTES} is the most.`
          : 'The body is not an Arrow IPC stream.',
      );
    }
    const metadata = await this.#source.take(length);
    if (metadata.byteLength < length) throw truncated('The body ends in the middle of a message.');
    const decoded = readMessageMetadata(metadata);
    this.#sawSchema = true;
    return { metadata, decoded };
  }

  async #readLength(): Promise<number> {
    const prefix = await this.#source.take(4);
    if (prefix.byteLength === 0) return this.#endOfBody();
    if (prefix.byteLength < 4) throw truncated('The body ends in the middle of a message.');
    const first = readInt32(prefix);
    if (first === CONTINUATION) {
      this.#hasContinuations = true;
      const length = await this.#source.take(4);
      if (length.byteLength < 4) throw truncated('The body ends in the middle of a message.');
      return readInt32(length);
    }
    if (this.#isFile && this.#sawSchema && (this.#hasContinuations || first < SHORTEST_METADATA)) {
      // A file may go straight from its last message to its footer.
      this.#source.unread(prefix);
      return 0;
    }
    return first;
  }

  #endOfBody(): number {
    if (!this.#sawSchema) throw truncated('The body ends before its schema.');
    if (this.#isFile) throw truncated('The file ends before its footer.');
    return 0;
  }

  async #readEnd(): Promise<void> {
    if (this.#isFile) {
      await readFileFooter(this.#source, {
        recordBatches: this.#recordBatches,
        dictionaries: this.#dictionaries,
      });
      return;
    }
    if (await this.#source.more()) throw malformed('The body goes on after the end marker of its stream.');
  }
}
