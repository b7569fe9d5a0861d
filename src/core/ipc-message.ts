/** How the buffers of a message body are compressed. */
export type BodyCodec = 'lz4-frame' | 'zstd';

/** Length and null count of one array, in the depth-first order of the schema's fields. */
export interface FieldNode {
  readonly length: number;
  readonly nullCount: number;
}

/** Where one buffer stands in the message body, in bytes from its start. */
export interface BufferSpan {
  readonly offset: number;
  readonly length: number;
}

/** What the metadata of a record batch says; all spans with bytes lie inside the body. */
export interface RecordBatchHeader {
  readonly length: number;
  readonly nodes: readonly FieldNode[];
  readonly buffers: readonly BufferSpan[];
  readonly codec: BodyCodec | null;
  /** One count for each view column: how many data buffers it has. */
  readonly variadicCounts: readonly number[];
}

/**
 * One encapsulated IPC message with its body as it arrived (compressed buffers stay compressed).
 * The holder calls `release` exactly once when nothing reads `body` any more: the memory is used again.
 * @see https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
 */
export type IpcMessage = RecordBatchMessage | DictionaryBatchMessage;

interface MessageBase {
  /** The flatbuffer `Message`, without length prefix or padding rules. */
  readonly metadata: Uint8Array;
  /** The body, starting at an address that is a multiple of 8. */
  readonly body: Uint8Array;
  /** Arrow bytes of this message: metadata and body, before any buffer is decompressed. */
  readonly bytes: number;
  readonly header: RecordBatchHeader;
  release(): void;
}

export interface RecordBatchMessage extends MessageBase {
  readonly kind: 'record-batch';
}

export interface DictionaryBatchMessage extends MessageBase {
  readonly kind: 'dictionary-batch';
  readonly id: bigint;
  readonly isDelta: boolean;
}

/** An opened stream: its schema, then its messages in order, each owned by whoever pulls it. */
export interface IpcStream {
  readonly schema: import('./schema.ts').ArrowSchema;
  /** The flatbuffer `Message` of the schema, for whoever sends the stream on. */
  readonly schemaMetadata: Uint8Array;
  readonly messages: AsyncIterable<IpcMessage>;
}

/** Bounds that framing and decoding keep; see `limits` in the configuration. */
export interface IpcLimits {
  readonly maxMessageBytes: number;
  readonly maxDecompressedRatio: number;
}

/** A piece of memory for one message body; `release` gives it back, after which its bytes may change. */
export interface BodyLease {
  readonly bytes: Uint8Array;
  /**
   * To be called before bytes up to `length` are filled, where there are many: what counts as held follows what has
   * come. Null when that may be done at once. Throws OVERLOADED.
   */
  admit?(length: number): Promise<void> | null;
  release(): void;
}

/** Hands out memory for message bodies; waiting here is what slows a producer down. */
export interface BodyAllocator {
  /** Resolves with `length` writable bytes at an address that is a multiple of 8, and with 64 readable bytes behind them. Throws OVERLOADED. */
  allocate(length: number): Promise<BodyLease> | BodyLease;
}
