import type { FieldNode, RecordBatchHeader } from '../core/ipc-message.ts';
import { malformed } from './ipc-error.ts';

/**
 * Walks the arrays and buffers of one batch in the order of its schema. `path` is the column being read, for errors.
 */
export class BatchCursor {
  readonly #header: RecordBatchHeader;
  readonly #buffers: readonly Uint8Array[];
  readonly #path: string[] = [];
  #node = 0;
  #buffer = 0;
  #variadic = 0;

  constructor(header: RecordBatchHeader, buffers: readonly Uint8Array[]) {
    this.#header = header;
    this.#buffers = buffers;
  }

  get path(): string {
    return this.#path.join('.');
  }

  enter(name: string): void {
    this.#path.push(name);
  }

  leave(): void {
    this.#path.pop();
  }

  /** The length and null count of the next array, both in range. Throws IPC_MALFORMED. */
  node(): FieldNode {
    const node = this.#header.nodes[this.#node++];
    if (node === undefined) throw this.error('the batch has fewer arrays than its schema.');
    if (node.length < 0 || node.nullCount < 0 || node.nullCount > node.length) {
      throw this.error(`the batch declares ${node.nullCount} nulls in ${node.length} rows.`);
    }
    return node;
  }

  /** The next buffer. Throws IPC_MALFORMED. */
  buffer(): Uint8Array {
    const buffer = this.#buffers[this.#buffer++];
    if (buffer === undefined) throw this.error('the batch has fewer buffers than its schema needs.');
    return buffer;
  }

  /** The next buffer, which must have at least `needed` bytes. Throws IPC_MALFORMED. */
  bufferOf(needed: number, what: string): Uint8Array {
    const buffer = this.buffer();
    if (buffer.byteLength < needed) {
      throw this.error(`its ${what} have ${buffer.byteLength} bytes instead of ${needed}.`);
    }
    return buffer;
  }

  /** How many data buffers the next view array has. Throws IPC_MALFORMED. */
  variadicCount(): number {
    const count = this.#header.variadicCounts[this.#variadic++];
    if (count === undefined) throw this.error('the batch does not say how many data buffers it has.');
    return count;
  }

  /** Throws IPC_MALFORMED when the batch has more than its schema. */
  finish(): void {
    if (this.#node !== this.#header.nodes.length) throw malformed('A batch has more arrays than its schema.');
    if (this.#buffer !== this.#buffers.length) {
      throw malformed('A batch has more buffers than its schema needs.');
    }
    if (this.#variadic !== this.#header.variadicCounts.length) {
      throw malformed('A batch has more view columns than its schema.');
    }
  }

  error(problem: string): Error {
    return malformed(problem, this.path);
  }
}
