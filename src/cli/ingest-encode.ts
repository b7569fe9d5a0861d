import { decodeBatch } from '../arrow/decode-batch.ts';
import { createDictionaryStore } from '../arrow/dictionary-store.ts';
import type { BodyCompression } from '../arrow/encode-body.ts';
import { createArrayGatherer, plainField } from '../arrow/encode-gatherer.ts';
import { encodeRecordBatchMessage, encodeSchemaMessage } from '../arrow/stream-writer.ts';
import type { ArrayData } from '../core/array-data.ts';
import type { IpcMessage, IpcStream, RecordBatchMessage } from '../core/ipc-message.ts';
import { type ArrowField, type ArrowSchema, describeType } from '../core/schema.ts';
import { CliFailure } from './failure.ts';
import { type ArrowInput, type IngestInput, type TableInput, unreadable } from './ingest-input.ts';

/** How the inputs of a load become one stream. */
export interface EncodingOptions {
  /** Rows of each batch; null leaves batches of Arrow inputs as they are. */
  readonly batchRows: number | null;
  /** What was asked for; null leaves buffers of Arrow inputs as they are. */
  readonly asked: BodyCompression | null;
  /** For what has to be encoded anyhow. */
  readonly compression: BodyCompression;
}

/** A message of the stream to send, after the schema. */
export interface OutgoingMessage {
  readonly metadata: Uint8Array;
  readonly body: Uint8Array;
  /** 0 for a dictionary batch. */
  readonly rows: number;
}

/** A stream to send; it can be sent again where all inputs can be read again. */
export interface OutgoingStream {
  readonly schemaMetadata: Uint8Array;
  readonly rereadable: boolean;
  messages(): AsyncIterable<OutgoingMessage>;
}

const defaultBatchRows = 122_880;
const batchBytes = 64 * 1024 * 1024;
const decodeLimits = {
  maxMessageBytes: Number.MAX_SAFE_INTEGER,
  maxDecompressedRatio: Number.MAX_SAFE_INTEGER,
};

/**
 * Joins inputs of one schema into one stream. Messages of Arrow inputs pass through as they are where nothing
 * asks for another form; else dictionaries and runs are written as their values. Batches never span inputs.
 * Throws a failure that names the first difference of the schemas.
 */
export function createOutgoingStream(
  inputs: readonly IngestInput[],
  options: EncodingOptions,
): OutgoingStream {
  const rereadable = inputs.every((input) => input.rereadable);
  const [only] = inputs;
  const isAsItIs = options.batchRows === null && options.asked === null;
  if (inputs.length === 1 && only?.kind === 'arrow' && isAsItIs) {
    return {
      schemaMetadata: only.schemaMetadata,
      rereadable,
      messages: () => passMessages(only),
    };
  }
  const schema = joinSchemas(inputs);
  return {
    schemaMetadata: encodeSchemaMessage(schema),
    rereadable,
    async *messages() {
      for (const input of inputs) {
        yield* input.kind === 'table' ? encodeTable(input, options) : recodeArrow(input, options);
      }
    },
  };
}

function joinSchemas(inputs: readonly IngestInput[]): ArrowSchema {
  const [first, ...others] = inputs;
  if (first === undefined) throw new CliFailure('usage', 'name at least one file, or - for standard input');
  const fields = first.schema.fields.map(plainField);
  for (const other of others) {
    const difference = findDifference(fields, other.schema.fields.map(plainField));
    if (difference === undefined) continue;
    throw new CliFailure(
      'refused',
      `${other.name} has ${difference.theirs} where ${first.name} has ${difference.ours}: send them as loads of their own, or make their columns alike`,
    );
  }
  const schemas = inputs.map((input) => input.schema.fields);
  const nullable = (index: number) => schemas.some((own) => own[index]?.nullable === true);
  return {
    fields: fields.map((field, index) => ({ ...field, nullable: nullable(index) })),
    metadata: first.schema.metadata,
  };
}

function findDifference(
  ours: readonly ArrowField[],
  theirs: readonly ArrowField[],
): { ours: string; theirs: string } | undefined {
  for (let index = 0; index < Math.max(ours.length, theirs.length); index += 1) {
    const texts = { ours: describeColumn(ours[index], index), theirs: describeColumn(theirs[index], index) };
    if (texts.ours !== texts.theirs) return texts;
  }
  return undefined;
}

function describeColumn(field: ArrowField | undefined, index: number): string {
  return field === undefined
    ? `no column ${index + 1}`
    : `column ${index + 1} ${field.name}: ${describeType(field)}`;
}

async function* passMessages(input: ArrowInput): AsyncGenerator<OutgoingMessage> {
  for await (const message of readMessages(input, await input.open())) yield passMessage(message);
}

function passMessage(message: IpcMessage): OutgoingMessage {
  const { metadata, body, header, kind } = message;
  return { metadata, body, rows: kind === 'record-batch' ? header.length : 0 };
}

async function* readMessages(input: ArrowInput, stream: IpcStream): AsyncGenerator<IpcMessage> {
  try {
    yield* stream.messages;
  } catch (error) {
    throw unreadable(input.name, error);
  }
}

async function* encodeTable(input: TableInput, options: EncodingOptions): AsyncGenerator<OutgoingMessage> {
  const size = { rows: options.batchRows ?? defaultBatchRows, bytes: batchBytes };
  try {
    const { batches } = await input.open(size);
    for await (const { columns, rows } of batches)
      yield await encodeBatch(columns, rows, options.compression);
  } catch (error) {
    throw unreadable(input.name, error);
  }
}

async function* recodeArrow(input: ArrowInput, options: EncodingOptions): AsyncGenerator<OutgoingMessage> {
  const { asked, batchRows, compression } = options;
  const stream = await input.open();
  const { fields } = stream.schema;
  const mayPass = batchRows === null && !fields.some(isEncodedValue);
  const dictionaries = createDictionaryStore(stream.schema, decodeLimits);
  const gatherer = new BatchGatherer(fields, batchRows);
  try {
    for await (const message of readMessages(input, stream)) {
      if (message.kind === 'dictionary-batch') {
        await dictionaries.apply(message);
      } else if (mayPass && (asked === null || asked.codec === message.header.codec)) {
        yield passMessage(message);
      } else {
        const columns = await decodeBatch(message, fields, dictionaries, decodeLimits);
        for (const batch of gatherer.add(columns, message)) {
          yield await encodeBatch(batch.columns, batch.rows, asked ?? compression);
        }
      }
    }
    for (const { columns, rows } of gatherer.finish())
      yield await encodeBatch(columns, rows, asked ?? compression);
  } finally {
    dictionaries.close();
  }
}

function isEncodedValue(field: ArrowField): boolean {
  return (
    field.dictionary !== null || field.type.kind === 'run-end-encoded' || field.children.some(isEncodedValue)
  );
}

async function encodeBatch(
  columns: readonly ArrayData[],
  rows: number,
  compression: BodyCompression,
): Promise<OutgoingMessage> {
  return { ...(await encodeRecordBatchMessage(columns, rows, compression)), rows };
}

interface GatheredBatch {
  readonly columns: readonly ArrayData[];
  readonly rows: number;
}

/** Cuts and joins batches to a number of rows; without one each batch stays a batch. */
class BatchGatherer {
  readonly #gatherers;
  readonly #batchRows: number | null;
  #rows = 0;

  constructor(fields: readonly ArrowField[], batchRows: number | null) {
    this.#gatherers = fields.map(createArrayGatherer);
    this.#batchRows = batchRows;
  }

  *add(columns: readonly ArrayData[], message: RecordBatchMessage): Generator<GatheredBatch> {
    const { length } = message.header;
    const batchRows = this.#batchRows ?? length;
    for (let from = 0; from < length; ) {
      const to = Math.min(length, from + batchRows - this.#rows);
      columns.forEach((column, index) => {
        this.#gatherers[index]?.append(column, from, to);
      });
      this.#rows += to - from;
      from = to;
      if (this.#rows >= batchRows) yield* this.finish();
    }
  }

  *finish(): Generator<GatheredBatch> {
    if (this.#rows === 0) return;
    const rows = this.#rows;
    this.#rows = 0;
    yield { columns: this.#gatherers.map((gatherer) => gatherer.take()), rows };
  }
}
