import { type ArrayGatherer, createArrayGatherer } from '../../arrow/encode-gatherer.ts';
import { freeBuffers, freeGathered } from '../../arrow/free-buffers.ts';
import type { ArrayData } from '../../core/array-data.ts';
import type { IpcMessage } from '../../core/ipc-message.ts';
import { type ArraySource, releaseNothing, trackRelease } from './native/array-stream.ts';
import { type CArray, type WrittenDictionaries, writeCArray } from './native/c-array-writer.ts';
import { rowGroupRows } from './row-group.ts';

/** DuckDB's threads take one array each: rows of a larger batch are spread over several. */
const sliceRows = rowGroupRows;
/** Batches of fewer rows and bytes are copied together: one array each would cost more than their rows. */
const smallRows = 2_048;
const smallBytes = 1024 * 1024;
/** Rows this many times as wide as those a statement began with end it: the next one makes room for them. */
const widerFactor = 2;
/** Copies of small batches are counted as held in amounts of this size. */
const holdBytes = 256 * 1024;

/** An array and what it costs, with the batch that its memory belongs to. */
interface QueuedArray {
  readonly array: CArray;
  readonly bytes: number;
  readonly memory: SharedMemory;
}

type Releasable = Pick<IpcMessage, 'release'> & Partial<Pick<IpcMessage, 'header'>>;

/** Small batches that are being copied together. */
interface Gathered {
  rows: number;
  bytes: number;
  /** Bytes of them that count as held, and what ends that. */
  heldBytes: number;
  readonly holds: (() => void)[];
}

function startGathering(): Gathered {
  return { rows: 0, bytes: 0, heldBytes: 0, holds: [] };
}

/** What a queue tells whoever fills it. */
export interface BatchQueueEvents {
  /** A statement took an array: there is room for more. */
  onTaken(): void;
  /** Counts what is held beside messages; returns what ends that. */
  holdMemory?(bytes: number): () => void;
}

/**
 * Decoded batches of one load on their way into DuckDB. One statement after another reads them; what arrives while
 * one runs is read by it as well, so that a stream which keeps up is written by one INSERT. Memory is given back as
 * soon as DuckDB releases the array that is read from it.
 */
export class BatchQueue implements ArraySource {
  /** Rows and bytes that no statement has taken yet; structs and tables of pointers that they are laid out in. */
  rows = 0;
  bytes = 0;
  pieces = 0;
  readonly #events: BatchQueueEvents;
  /** DuckDB keeps dictionaries until the statement ends, and knows them by their addresses: such batches wait for the next. */
  readonly #hasDictionaries: boolean;
  #dictionaries: WrittenDictionaries = new Map();
  readonly #waiting: QueuedArray[] = [];
  readonly #reading = new Set<QueuedArray>();
  #gatherers: readonly ArrayGatherer[] | null = null;
  #gathered = startGathering();
  #widest = 0;
  #left = 0;
  #rowsTaken = 0;

  constructor(hasDictionaries: boolean, events: BatchQueueEvents) {
    this.#hasDictionaries = hasDictionaries;
    this.#events = events;
  }

  /** Takes a batch and, from now on, its message. `bytes` is what its buffers hold, unfolded. */
  add(message: IpcMessage, columns: readonly ArrayData[], bytes: number): void {
    const rows = message.header.length;
    const copied = rows < smallRows ? bytes + countViewed(columns) : bytes;
    const small = rows < smallRows && copied < smallBytes;
    this.rows += rows;
    this.bytes += small ? copied : bytes;
    // Dictionary-encoded columns reach DuckDB as they are, so what is gathered would not be of the same type.
    if (!small || columns.some((column) => column.dictionary !== null)) {
      this.seal();
      this.#layOut(columns, rows, bytes, message);
      return;
    }
    if (rows > 0) this.#gather(columns, rows, copied);
    message.release();
  }

  /** Lays out what is still being gathered: the next statement, or the one that runs, reads it. */
  seal(): void {
    if (this.#gatherers === null || this.#gathered.rows === 0) return;
    const gathered = this.#gathered;
    this.#hold(gathered);
    const columns = this.#gatherers.map((gatherer) => gatherer.take());
    this.#gathered = startGathering();
    this.#layOut(columns, gathered.rows, gathered.bytes, { release: () => this.#letGo(gathered) });
  }

  /** The bytes of a row that is waiting, in the mean. */
  bytesPerRow(): number {
    return this.bytes / Math.max(this.rows, 1);
  }

  /** Begins a statement that reads what is waiting. */
  open(): void {
    this.seal();
    this.#widest = this.bytesPerRow() * widerFactor;
    this.#left = this.#hasDictionaries ? this.#waiting.length : Number.POSITIVE_INFINITY;
    this.#dictionaries = new Map();
    this.#rowsTaken = 0;
  }

  next(): CArray | null {
    const [first] = this.#waiting;
    if (first === undefined || this.#left === 0 || this.#isWider(first)) {
      this.#left = 0;
      return null;
    }
    this.#waiting.shift();
    this.#left -= 1;
    const { array, bytes } = first;
    this.rows -= array.rows;
    this.bytes -= bytes;
    this.pieces -= array.keep.length;
    this.#rowsTaken += array.rows;
    this.#reading.add(first);
    if (!this.#hasDictionaries) trackRelease(array, () => this.#release(first));
    this.#events.onTaken();
    return array;
  }

  /** Hands nothing more to the statement that runs: what waits is the next one's. */
  endStatement(): void {
    this.#left = 0;
  }

  /** Ends the statement, which reads nothing any more; returns the rows that it took. */
  settle(): number {
    this.#left = 0;
    for (const queued of this.#reading) this.#release(queued);
    return this.#rowsTaken;
  }

  /** Gives all memory back; no statement may be reading. */
  close(): void {
    this.settle();
    for (const queued of this.#waiting) queued.memory.release();
    this.#waiting.length = 0;
    this.#gatherers = null;
    this.#letGo(this.#gathered);
    this.#gathered = startGathering();
    this.rows = 0;
    this.bytes = 0;
    this.pieces = 0;
  }

  /** A statement takes one array in any case, however wide. */
  #isWider({ array, bytes }: QueuedArray): boolean {
    return this.#rowsTaken > 0 && bytes / array.rows > this.#widest;
  }

  #release(queued: QueuedArray): void {
    if (this.#reading.delete(queued)) queued.memory.release();
  }

  #gather(columns: readonly ArrayData[], rows: number, bytes: number): void {
    this.#gatherers ??= columns.map((column) => createArrayGatherer(column.field));
    for (const [index, gatherer] of this.#gatherers.entries()) {
      const column = columns[index];
      if (column !== undefined) gatherer.append(column, 0, rows);
    }
    const gathered = this.#gathered;
    gathered.rows += rows;
    gathered.bytes += bytes;
    if (gathered.bytes - gathered.heldBytes >= holdBytes) this.#hold(gathered);
    if (gathered.rows >= sliceRows) this.seal();
  }

  /** Counts what memory was taken: while it grows up to twice what is in it. More, if expected, comes as it is written to. */
  #hold(gathered: Gathered): void {
    const { holdMemory } = this.#events;
    const reserved = Math.min(reservedBytes(this.#gatherers ?? []), 2 * gathered.bytes);
    const bytes = reserved - gathered.heldBytes;
    if (holdMemory === undefined || bytes <= 0) return;
    gathered.holds.push(holdMemory(bytes));
    gathered.heldBytes = reserved;
  }

  #letGo({ holds }: Gathered): void {
    for (const end of holds.splice(0)) end();
  }

  #layOut(columns: readonly ArrayData[], rows: number, bytes: number, message: Releasable): void {
    const memory = new SharedMemory(columns, message, Math.ceil(rows / sliceRows));
    for (let start = 0; start < rows; start += sliceRows) {
      const slice = { start, rows: Math.min(sliceRows, rows - start) };
      const array = writeCArray(columns, slice, this.#dictionaries, releaseNothing);
      this.pieces += array.keep.length;
      this.#waiting.push({ array, bytes: (bytes * slice.rows) / rows, memory });
    }
  }
}

function reservedBytes(gatherers: readonly ArrayGatherer[]): number {
  return gatherers.reduce((sum, gatherer) => sum + gatherer.reservedBytes, 0);
}

/** The memory of one batch, which several arrays are read from. */
class SharedMemory {
  /** Referenced while an array is read: the buffers may be other ones than the message's. */
  columns: readonly ArrayData[];
  readonly #message: Releasable;
  #readers: number;

  constructor(columns: readonly ArrayData[], message: Releasable, readers: number) {
    this.columns = columns;
    this.#message = message;
    this.#readers = readers;
    if (readers === 0) message.release();
  }

  /** One of the arrays is read no more. */
  release(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    const { header } = this.#message;
    // What was gathered and what was decompressed is nobody else's.
    if (header === undefined) freeGathered(this.columns);
    else if (header.codec !== null) freeBuffers(this.columns);
    this.columns = [];
    this.#message.release();
  }
}
/** Bytes of all texts and binaries that views stand for: many may share the same ones, and each is copied. */
function countViewed(arrays: readonly ArrayData[]): number {
  let bytes = 0;
  for (const array of arrays) {
    bytes += countViewed(array.children);
    const { kind } = array.field.type;
    if (kind !== 'utf8-view' && kind !== 'binary-view') continue;
    const views = array.buffers[1];
    if (views === undefined || views === null) continue;
    const words = new Int32Array(views.buffer, views.byteOffset, array.length * 4);
    for (let row = 0; row < array.length; row += 1) bytes += Math.max(words[row * 4] ?? 0, 0);
  }
  return bytes;
}

/** Bytes in the buffers of arrays, children and dictionaries' indices included, dictionaries' values not. */
export function countBytes(arrays: readonly ArrayData[]): number {
  let bytes = 0;
  for (const array of arrays) {
    for (const buffer of array.buffers) bytes += buffer?.byteLength ?? 0;
    bytes += countBytes(array.children);
  }
  return bytes;
}
