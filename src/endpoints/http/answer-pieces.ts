import { OutgoingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { toArrowportError } from '../../errors.ts';

/** How long pieces are made and written without a break, where the client takes them at once: others want their turn. */
const LONGEST_TURN_MS = 10;

/** What of an answer is written together. */
export interface AnswerPiece {
  readonly parts: readonly Uint8Array[];
  /** To be called when nobody reads the parts any more; need not be. */
  release?(): void;
}

/** The bytes of a piece. */
export function pieceBytes({ parts }: AnswerPiece): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}

/** The parts one by one, for what reads on in its own time: nothing is released. */
export async function* partsOf(pieces: AsyncIterable<AnswerPiece>): AsyncGenerator<Uint8Array> {
  for await (const { parts } of pieces) yield* parts;
}

/**
 * An answer that writes itself when it is piped: each piece in one go, the next one when it has gone to the socket, for
 * a stream's usual way takes every part by itself and does not tell when its memory is free. Destroying it ends the
 * iteration; what the iteration throws destroys it.
 */
export class PieceStream extends Readable {
  readonly #pieces: AsyncGenerator<AnswerPiece>;

  constructor(pieces: AsyncGenerator<AnswerPiece>) {
    super();
    this.#pieces = pieces;
  }

  /** Nothing is pushed: `pipe` is the only reader. */
  override _read(): void {}

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#pieces.return(undefined).then(
      () => callback(error),
      (thrown: unknown) => callback(error ?? toArrowportError(thrown)),
    );
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options: { end?: boolean } = {}): T {
    if (!(destination instanceof OutgoingMessage)) throw new TypeError('Pieces are piped into answers only.');
    void this.#writeAll(destination, options.end !== false).catch((thrown: unknown) => {
      this.destroy(toArrowportError(thrown));
    });
    return destination;
  }

  async #writeAll(answer: OutgoingMessage, end: boolean): Promise<void> {
    let turnBegan = performance.now();
    for await (const piece of this.#pieces) {
      if (this.destroyed) return;
      await writeTogether(answer, piece.parts);
      piece.release?.();
      if (performance.now() - turnBegan < LONGEST_TURN_MS) continue;
      await nextTurn();
      turnBegan = performance.now();
    }
    if (end) answer.end();
    this.push(null);
    this.resume();
  }
}

/** Resolves when the parts have gone to the socket; rejects where the connection is closed before. */
function writeTogether(answer: OutgoingMessage, parts: readonly Uint8Array[]): Promise<void> {
  const last = parts.at(-1);
  if (last === undefined) return Promise.resolve();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(new Error('The connection was closed before the end of the answer.'));
  answer.once('close', onClose);
  answer.cork();
  for (const part of parts.slice(0, -1)) answer.write(part);
  answer.write(last, (error) => (error ? reject(error) : resolve()));
  answer.uncork();
  return promise.finally(() => answer.off('close', onClose));
}
