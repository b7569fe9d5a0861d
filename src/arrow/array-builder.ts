import type { ArrayData } from '../core/array-data.ts';
import type { FieldNode, IpcLimits, RecordBatchHeader } from '../core/ipc-message.ts';
import type { ArrowField, ArrowType, DictionaryEncoding } from '../core/schema.ts';
import { emptyArray, fixedByteWidth, isText, offsetByteWidth, ZEROS } from './array-layout.ts';
import { BatchCursor } from './batch-cursor.ts';
import { indexedBytes, listBytes, longestValueBytes, memberBytes, runBytes } from './expansion.ts';
import { unfoldedTooLarge, unsupportedType } from './ipc-error.ts';
import { countSetBits } from './validate-bits.ts';
import { areDenseOffsets, areIndices, findUnknownTypeId } from './validate-indices.ts';
import { areOffsets32, areOffsets64, areRunEnds, sumListViews } from './validate-offsets.ts';
import { isTextArray } from './validate-text.ts';
import { areTextViews, checkViews } from './validate-views.ts';

/** What a batch's arrays are made from. */
export interface BatchParts {
  readonly header: RecordBatchHeader;
  /** Decompressed and aligned, in the order of the message. */
  readonly buffers: readonly Uint8Array[];
  /** Whether unions have a validity bitmap (metadata up to V4). */
  readonly unionValidity: boolean;
  /** Bytes of the message, which expanding arrays are measured against. */
  readonly messageBytes: number;
  readonly limits: IpcLimits;
  /** The values of a dictionary; undefined when none has come yet. */
  findDictionary(id: bigint): ArrayData | undefined;
}

/**
 * Builds the arrays of a batch and checks them so that no reader of theirs can leave its buffers: lengths, bitmaps,
 * offsets, views, run ends, union members, dictionary indices, and that text is UTF-8.
 * The arrays are views of `parts.buffers`. Throws IPC_MALFORMED, TYPE_UNSUPPORTED, DECOMPRESSED_TOO_LARGE.
 */
export function buildArrays(parts: BatchParts, fields: readonly ArrowField[]): ArrayData[] {
  const builder = new ArrayBuilder(parts);
  const arrays = fields.map((field) => builder.build(field));
  builder.finish(arrays);
  return arrays;
}

interface Built {
  readonly length: number;
  readonly nullCount: number;
  readonly buffers: readonly (Uint8Array | null)[];
  readonly children?: readonly ArrayData[];
  readonly dictionary?: ArrayData;
}

interface Validity {
  readonly bitmap: Uint8Array | null;
  readonly nullCount: number;
}

class ArrayBuilder {
  readonly #parts: BatchParts;
  readonly #cursor: BatchCursor;
  #depth = 0;
  /** What the batch's runs, list views, unions and inner views and dictionaries are written out to so far. */
  #writtenOut = 0;

  constructor(parts: BatchParts) {
    this.#parts = parts;
    this.#cursor = new BatchCursor(parts.header, parts.buffers);
  }

  build(field: ArrowField): ArrayData {
    this.#cursor.enter(field.name);
    this.#depth += 1;
    const node = this.#cursor.node();
    const built =
      field.dictionary === null
        ? this.#buildPlain(field, node)
        : this.#buildEncoded(field, field.dictionary, node);
    this.#depth -= 1;
    this.#cursor.leave();
    return { field, children: [], dictionary: null, ...built };
  }

  finish(arrays: readonly ArrayData[]): void {
    this.#cursor.finish();
    for (const array of arrays) {
      if (array.length === this.#parts.header.length) continue;
      this.#cursor.enter(array.field.name);
      throw this.#cursor.error(`it has ${array.length} rows in a batch of ${this.#parts.header.length}.`);
    }
  }

  #buildPlain(field: ArrowField, node: FieldNode): Built {
    const { type } = field;
    switch (type.kind) {
      case 'null':
        this.#admitRows(node.length);
        return { length: node.length, nullCount: node.length, buffers: [] };
      case 'bool':
        return this.#buildFixed(node, Math.ceil(node.length / 8), true);
      case 'utf8':
      case 'binary':
      case 'large-utf8':
      case 'large-binary':
        return this.#buildBinary(type, node);
      case 'utf8-view':
      case 'binary-view':
        return this.#buildViews(type, node);
      case 'list':
      case 'large-list':
      case 'map':
        return this.#buildList(field, node);
      case 'list-view':
      case 'large-list-view':
        return this.#buildListView(field, node);
      case 'fixed-size-list':
        return this.#buildFixedSizeList(field, type.listSize, node);
      case 'struct':
        return this.#buildStruct(field, node);
      case 'union':
        return this.#buildUnion(field, type, node);
      case 'run-end-encoded':
        return this.#buildRuns(field, node);
      default:
        return this.#buildFixed(node, node.length * (fixedByteWidth(type) ?? 0), false);
    }
  }

  /** Reads the validity bitmap; one that a null count of 0 makes void is dropped, as Arrow's own readers do. */
  #validity(node: FieldNode): Validity {
    const bitmap = this.#cursor.buffer();
    if (node.nullCount === 0) return { bitmap: null, nullCount: 0 };
    const needed = Math.ceil(node.length / 8);
    if (bitmap.byteLength < needed) {
      throw this.#cursor.error(`its validity bitmap has ${bitmap.byteLength} bytes instead of ${needed}.`);
    }
    const nullCount = node.length - countSetBits(bitmap, node.length);
    return nullCount === 0 ? { bitmap: null, nullCount } : { bitmap: withSlack(bitmap), nullCount };
  }

  #buildFixed(node: FieldNode, byteLength: number, isBits: boolean): Built {
    const { bitmap, nullCount } = this.#validity(node);
    const values = this.#cursor.bufferOf(byteLength, 'values');
    return { length: node.length, nullCount, buffers: [bitmap, filled(isBits ? withSlack(values) : values)] };
  }

  #buildBinary(type: ArrowType, node: FieldNode): Built {
    const { length } = node;
    const { bitmap, nullCount } = this.#validity(node);
    const offsetBytes = offsetByteWidth(type) ?? 4;
    const offsets = this.#offsets(length, offsetBytes);
    const data = this.#cursor.buffer();
    this.#checkOffsets(offsets, length, offsetBytes, data.byteLength);
    if (isText(type) && !isTextArray(offsets, data, bitmap, length, offsetBytes)) this.#refuseText();
    return { length, nullCount, buffers: [bitmap, offsets, filled(data)] };
  }

  /** The next buffer as offsets; an array of no rows may leave them out. */
  #offsets(length: number, offsetBytes: 4 | 8): Uint8Array {
    const needed = (length + 1) * offsetBytes;
    const offsets = this.#cursor.buffer();
    if (length === 0 && offsets.byteLength < needed) return ZEROS;
    if (offsets.byteLength < needed) {
      throw this.#cursor.error(`its offsets have ${offsets.byteLength} bytes instead of ${needed}.`);
    }
    return offsets;
  }

  #checkOffsets(offsets: Uint8Array, length: number, offsetBytes: 4 | 8, limit: number): void {
    const valid =
      offsetBytes === 4 ? areOffsets32(offsets, length, limit) : areOffsets64(offsets, length, limit);
    if (!valid) throw this.#cursor.error('its offsets fall or point outside its values.');
  }

  #refuseText(): never {
    throw this.#cursor.error('a value is not valid UTF-8.');
  }

  #buildViews(type: ArrowType, node: FieldNode): Built {
    const { length } = node;
    const { bitmap, nullCount } = this.#validity(node);
    const views = this.#cursor.bufferOf(length * 16, 'views');
    const count = this.#cursor.variadicCount();
    const data: Uint8Array[] = [];
    for (let index = 0; index < count; index++) data.push(this.#cursor.buffer());
    const check = checkViews(views, data, bitmap, length);
    if (check.problem !== null) throw this.#cursor.error(check.problem);
    if (this.#depth > 1) this.#admitWritingOut([check.valueBytes]);
    else this.#admitExpansion(check.valueBytes, () => [check.valueBytes]);
    if (isText(type) && !areTextViews(views, data, bitmap, length)) this.#refuseText();
    return { length, nullCount, buffers: [bitmap, filled(views), ...data.map(filled)] };
  }

  #buildList(field: ArrowField, node: FieldNode): Built {
    const { length } = node;
    const { bitmap, nullCount } = this.#validity(node);
    const offsetBytes = offsetByteWidth(field.type) ?? 4;
    const offsets = this.#offsets(length, offsetBytes);
    const child = this.#child(field, 0);
    this.#checkOffsets(offsets, length, offsetBytes, child.length);
    if (field.type.kind === 'map' && length > 0) this.#checkMapKeys(child);
    return { length, nullCount, buffers: [bitmap, offsets], children: [child] };
  }

  #checkMapKeys(entries: ArrayData): void {
    if (entries.nullCount > 0) throw this.#cursor.error('an entry of the map is null.');
    const keys = entries.children[0];
    if (keys !== undefined && keys.nullCount > 0) throw this.#cursor.error('a key of the map is null.');
  }

  #buildListView(field: ArrowField, node: FieldNode): Built {
    const { length } = node;
    const { bitmap, nullCount } = this.#validity(node);
    const offsetBytes = offsetByteWidth(field.type) ?? 4;
    const offsets = this.#cursor.bufferOf(length * offsetBytes, 'offsets');
    const sizes = this.#cursor.bufferOf(length * offsetBytes, 'sizes');
    const child = this.#child(field, 0);
    const total = sumListViews(offsets, sizes, length, offsetBytes, child.length);
    if (total < 0) throw this.#cursor.error('its list views point outside its values.');
    this.#admitWritingOut(listBytes(offsets, sizes, length, offsetBytes, child));
    return { length, nullCount, buffers: [bitmap, filled(offsets), filled(sizes)], children: [child] };
  }

  #buildFixedSizeList(field: ArrowField, listSize: number, node: FieldNode): Built {
    const { length } = node;
    const { bitmap, nullCount } = this.#validity(node);
    const child = this.#child(field, 0);
    if (child.length < length * listSize) {
      throw this.#cursor.error(`it has ${child.length} values instead of ${length * listSize}.`);
    }
    if (listSize === 0) this.#admitRows(length);
    return { length, nullCount, buffers: [bitmap], children: [child] };
  }

  #buildStruct(field: ArrowField, node: FieldNode): Built {
    const { length } = node;
    const { bitmap, nullCount } = this.#validity(node);
    const children = field.children.map((_, index) => this.#child(field, index));
    for (const child of children) this.#requireRows(child, length);
    if (children.length === 0) this.#admitRows(length);
    const hidden = bitmap === null ? children : children.map((child) => hideUnder(child, bitmap, length));
    return { length, nullCount, buffers: [bitmap], children: hidden };
  }

  #buildUnion(field: ArrowField, type: Extract<ArrowType, { kind: 'union' }>, node: FieldNode): Built {
    const { length } = node;
    if (this.#parts.unionValidity && this.#validity(node).nullCount > 0) {
      throw unsupportedType(
        'unions with nulls of their own (metadata version 4) are not supported.',
        this.#cursor.path,
      );
    }
    const typeIds = this.#cursor.bufferOf(length, 'type ids');
    const unknown = findUnknownTypeId(typeIds, length, type.typeIds);
    if (unknown !== undefined) throw this.#cursor.error(`${unknown} is no type id of the union.`);
    const offsets = type.mode === 'dense' ? this.#cursor.bufferOf(length * 4, 'offsets') : null;
    const children = field.children.map((_, index) => this.#child(field, index));
    if (offsets === null) {
      for (const child of children) this.#requireRows(child, length);
      return { length, nullCount: 0, buffers: [filled(typeIds)], children };
    }
    const members = new Map(children.map((child, index) => [type.typeIds[index] ?? 0, child]));
    if (!areDenseOffsets(typeIds, offsets, length, members)) {
      throw this.#cursor.error('its offsets point outside the members of the union.');
    }
    // Written out, every member has a slot for each row.
    const slotBytes = children.reduce((sum, child) => sum + (fixedByteWidth(child.field.type) ?? 16), 0);
    this.#admitWritingOut([length * slotBytes]);
    this.#admitWritingOut(memberBytes(typeIds, offsets, length, members));
    return { length, nullCount: 0, buffers: [filled(typeIds), filled(offsets)], children };
  }

  #buildRuns(field: ArrowField, node: FieldNode): Built {
    const { length } = node;
    this.#admitRows(length);
    const runEnds = this.#child(field, 0);
    const values = this.#child(field, 1);
    const [, ends] = runEnds.buffers;
    const byteWidth = fixedByteWidth(runEnds.field.type);
    if (runEnds.nullCount > 0 || ends === undefined || ends === null) {
      throw this.#cursor.error('a run end is null.');
    }
    if (values.length < runEnds.length) throw this.#cursor.error('it has fewer values than runs.');
    if (byteWidth !== 2 && byteWidth !== 4 && byteWidth !== 8)
      throw this.#cursor.error('its run ends are damaged.');
    if (!areRunEnds(ends, runEnds.length, byteWidth, length)) {
      throw this.#cursor.error('its run ends do not rise or do not cover its rows.');
    }
    this.#admitWritingOut(runBytes(ends, runEnds.length, byteWidth, length, values));
    return { length, nullCount: 0, buffers: [], children: [runEnds, values] };
  }

  #buildEncoded(field: ArrowField, encoding: DictionaryEncoding, node: FieldNode): Built {
    const { length } = node;
    const { indexBitWidth, indexSigned } = encoding;
    const { bitmap, nullCount } = this.#validity(node);
    const indices = this.#cursor.bufferOf((length * indexBitWidth) / 8, 'dictionary indices');
    const found = this.#parts.findDictionary(encoding.id);
    if (found === undefined && nullCount < length) {
      throw this.#cursor.error(`its dictionary (id ${encoding.id}) has not come before it.`);
    }
    const dictionary = found ?? emptyArray({ ...field, dictionary: null });
    if (!areIndices(indices, bitmap, length, indexBitWidth, indexSigned, dictionary.length)) {
      throw this.#cursor.error(`an index lies outside its dictionary of ${dictionary.length} values.`);
    }
    const sizes = () => indexedBytes(indices, bitmap, length, indexBitWidth, dictionary);
    if (this.#depth > 1 || field.children.length > 0) this.#admitWritingOut(sizes());
    else this.#admitExpansion(length * longestValueBytes(dictionary), sizes);
    return { length, nullCount, buffers: [bitmap, filled(indices)], dictionary };
  }

  #child(field: ArrowField, index: number): ArrayData {
    const child = field.children[index];
    if (child === undefined) throw this.#cursor.error('the schema lacks a child field.');
    return this.build(child);
  }

  #requireRows(child: ArrayData, length: number): void {
    if (child.length >= length) return;
    throw this.#cursor.error(
      `its child ${JSON.stringify(child.field.name)} has ${child.length} of ${length} rows.`,
    );
  }

  /**
   * Views and indices may name the same bytes again and again: what they stand for is bounded too, like what a
   * compressed buffer unfolds to. `atMost` is a quick upper bound; `sizes` is only asked where that says too little.
   */
  #admitExpansion(atMost: number, sizes: () => Iterable<number>): void {
    const { maxMessageBytes, maxDecompressedRatio } = this.#parts.limits;
    const allowed = Math.max(maxMessageBytes, this.#parts.messageBytes * maxDecompressedRatio);
    if (atMost <= allowed) return;
    let total = 0;
    for (const bytes of sizes()) {
      total += bytes;
      if (total > allowed) throw unfoldedTooLarge(`Column "${this.#cursor.path}"`, total, maxMessageBytes);
    }
  }

  /** What backends write out in memory may have, over all columns, as many bytes as a message. */
  #admitWritingOut(sizes: Iterable<number>): void {
    const { maxMessageBytes } = this.#parts.limits;
    for (const bytes of sizes) {
      this.#writtenOut += bytes;
      if (this.#writtenOut > maxMessageBytes)
        throw unfoldedTooLarge(`Column "${this.#cursor.path}"`, this.#writtenOut, maxMessageBytes);
    }
  }

  /** Rows that stand in no buffer are free to declare, so they are bounded like bytes. */
  #admitRows(rows: number): void {
    const { maxMessageBytes } = this.#parts.limits;
    if (rows > maxMessageBytes)
      throw unfoldedTooLarge(`Column "${this.#cursor.path}"`, rows, maxMessageBytes);
  }
}

/**
 * Carries a struct's nulls down to bytes of a fixed width, which may have any value there: DuckDB does so for all other
 * types by itself, and puts values into the wrong rows of a Parquet file where a null struct holds one.
 */
function hideUnder(array: ArrayData, parent: Uint8Array, length: number): ArrayData {
  const { field, buffers, children } = array;
  const isStruct = field.type.kind === 'struct';
  if (field.dictionary !== null || !(isStruct || field.type.kind === 'fixed-size-binary')) return array;
  const [own, ...rest] = buffers;
  const byteLength = Math.ceil(array.length / 8);
  const bitmap = new Uint8Array(byteLength + 8).fill(255);
  if (own) bitmap.set(own.subarray(0, byteLength));
  for (let index = 0; index < Math.ceil(length / 8); index++) {
    bitmap[index] = (bitmap[index] ?? 0) & (parent[index] ?? 0);
  }
  return {
    ...array,
    nullCount: array.length - countSetBits(bitmap, array.length),
    buffers: [bitmap.subarray(0, byteLength), ...rest],
    children: isStruct ? children.map((child) => hideUnder(child, parent, length)) : children,
  };
}

/** A buffer that is never of length 0, for readers that want an address all the same. */
function filled(buffer: Uint8Array): Uint8Array {
  return buffer.byteLength === 0 ? ZEROS : buffer;
}

/** A bitmap with at least one byte of memory behind it: readers that shift bits touch one byte more. */
function withSlack(bitmap: Uint8Array): Uint8Array {
  if (bitmap.byteOffset + bitmap.byteLength < bitmap.buffer.byteLength) return bitmap;
  const copy = new Uint8Array(bitmap.byteLength + 8);
  copy.set(bitmap);
  return copy.subarray(0, bitmap.byteLength);
}
