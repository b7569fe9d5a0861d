import { quoteCsv } from '../../arrow/cell-text.ts';
import type { RowWriter, TextForm } from '../../arrow/column-text.ts';
import {
  encodeRecordBatchMessage,
  encodeRecordBatchParts,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../arrow/stream-writer.ts';
import type { ArrowBatch, QueryResult } from '../../core/query.ts';
import type { RowAnswer } from './accept.ts';
import type { AnswerPiece } from './answer-pieces.ts';
import { createCellWriter } from './query-cells.ts';

/** Characters of text that are handed on together. */
const CHUNK_CHARACTERS = 128 * 1024;

/** A result in the form that was asked for, piece by piece; breaking it off ends the query. */
export function encodeResult(result: QueryResult, answer: RowAnswer): AsyncGenerator<AnswerPiece> {
  if (answer.format === 'arrow') return encodeArrow(result, answer.compression);
  if (answer.format === 'csv') return encodeCsv(result);
  return answer.asArray ? encodeJson(result) : encodeNdjson(result);
}

async function* encodeArrow(
  result: QueryResult,
  compression: 'zstd' | 'lz4' | undefined,
): AsyncGenerator<AnswerPiece> {
  yield { parts: [frameMetadata(encodeSchemaMessage(result.schema))] };
  for await (const batch of aheadByOne(result.batches)) {
    const { columns, rows } = batch;
    if (compression === undefined) {
      const { metadata, parts } = encodeRecordBatchParts(columns, rows);
      yield { parts: [frameMetadata(metadata), ...parts], release: () => batch.release?.() };
    } else {
      const codec = compression === 'lz4' ? 'lz4-frame' : 'zstd';
      const { metadata, body } = await encodeRecordBatchMessage(columns, rows, { codec });
      batch.release?.();
      yield { parts: [frameMetadata(metadata), body] };
    }
  }
  yield { parts: [endOfStream] };
}

/** The same batches; while one is being sent, the next is made. */
async function* aheadByOne(batches: AsyncIterable<ArrowBatch>): AsyncGenerator<ArrowBatch> {
  const iterator = batches[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (let current = await next; current.done !== true; current = await next) {
      next = iterator.next();
      // Its error is thrown when its turn comes; it is not lost when the reader leaves before.
      next.catch(() => undefined);
      yield current.value;
    }
  } finally {
    await next.catch(() => undefined);
    await iterator.return?.();
  }
}

async function* encodeCsv(result: QueryResult): AsyncGenerator<AnswerPiece> {
  yield text(`${result.schema.fields.map(({ name }) => quoteCsv(name)).join(',')}\n`);
  for await (const batch of result.batches) {
    const write = createRowText(batch, result.columnTypes, 'csv', (column) => (column === 0 ? '' : ','));
    yield* gather(batch, (row) => `${write(row)}\n`);
  }
}

async function* encodeNdjson(result: QueryResult): AsyncGenerator<AnswerPiece> {
  const leads = result.schema.fields.map(
    ({ name }, column) => `${column === 0 ? '' : ','}${JSON.stringify(name)}:`,
  );
  for await (const batch of result.batches) {
    const write = createRowText(batch, result.columnTypes, 'json', (column) => leads[column] ?? '');
    yield* gather(batch, (row) => `{${write(row)}}\n`);
  }
}

/** The count and, where rows were left out, that they were, come last: they are known only then. */
async function* encodeJson(result: QueryResult): AsyncGenerator<AnswerPiece> {
  const columns = result.schema.fields.map(({ name }, index) => ({ name, type: result.columnTypes[index] }));
  yield text(`{"columns":${JSON.stringify(columns)},"rows":[`);
  let count = 0;
  for await (const batch of result.batches) {
    const write = createRowText(batch, result.columnTypes, 'json', (column) => (column === 0 ? '' : ','));
    yield* gather(batch, (row) => {
      count += 1;
      return `${count === 1 ? '' : ','}[${write(row)}]`;
    });
  }
  yield text(`],"row_count":${count}${result.isTruncated() ? ',"truncated":true' : ''}}\n`);
}

/** Writes the values of a row, what `lead` says before each. */
function createRowText(
  { columns }: ArrowBatch,
  types: readonly string[],
  form: TextForm,
  lead: (column: number) => string,
): RowWriter {
  const cells = columns.map((column, index) => ({
    lead: lead(index),
    write: createCellWriter(column, types[index], form),
  }));
  return (row) => {
    let line = '';
    for (const cell of cells) line += cell.lead + cell.write(row);
    return line;
  };
}

/** The batch's memory is free when its rows are text. */
function* gather(batch: ArrowBatch, write: (row: number) => string): Generator<AnswerPiece> {
  let rows = '';
  for (let row = 0; row < batch.rows; row += 1) {
    rows += write(row);
    if (rows.length < CHUNK_CHARACTERS) continue;
    yield text(rows);
    rows = '';
  }
  batch.release?.();
  if (rows !== '') yield text(rows);
}

function text(characters: string): AnswerPiece {
  return { parts: [Buffer.from(characters)] };
}
