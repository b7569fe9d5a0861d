import type { DuckDBConnection } from '@duckdb/node-api';
import type { QueryContext } from '../../../core/query.ts';
import { ArrowportError } from '../../../errors.ts';
import { isInterrupt } from './query-error.ts';

/** How often a statement that should stop is told so: it hears it only while it runs. */
const repeatMs = 20;

/** Watches over one statement: stops it when its time is up or its client is gone. */
export class RunGuard {
  readonly #context: QueryContext;
  readonly #timer: NodeJS.Timeout;
  readonly #stopped = new AbortController();
  #connection: DuckDBConnection | null = null;
  #repeat: NodeJS.Timeout | undefined;
  #reason: ArrowportError | null = null;
  #running = 0;
  #ended = false;
  /** Called when the statement is stopped while no call of the engine is under way. */
  onStop: ((reason: unknown) => void) | null = null;

  constructor(context: QueryContext, serverTimeoutMs: number) {
    this.#context = context;
    const timeoutMs = Math.min(serverTimeoutMs, context.timeoutMs ?? serverTimeoutMs);
    this.#timer = setTimeout(() => this.stop(timeoutError(timeoutMs)), timeoutMs);
    context.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (context.signal?.aborted === true) this.#onAbort();
  }

  readonly #onAbort = (): void => this.stop(this.#context.signal?.reason);

  /** What runs on this connection from now on is what is stopped. */
  watch(connection: DuckDBConnection): void {
    this.#connection = connection;
  }

  /** Why the statement was stopped; null while it was not. */
  get reason(): ArrowportError | null {
    return this.#reason;
  }

  /** Fires with the reason when the statement is stopped. */
  get signal(): AbortSignal {
    return this.#stopped.signal;
  }

  /** Throws the reason when the statement was stopped. */
  check(): void {
    if (this.#reason !== null) throw this.#reason;
  }

  /** Runs a call of the engine that can be interrupted. Throws the reason rather than what the interruption threw. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    this.check();
    this.#running += 1;
    try {
      const value = await call();
      this.check();
      return value;
    } catch (thrown) {
      this.check();
      throw thrown;
    } finally {
      this.#running -= 1;
      if (this.#running === 0) clearInterval(this.#repeat);
    }
  }

  /**
   * Runs a call of the engine that is broken off after a time, unless what it throws or answers comes before; null then, and
   * it may be run anew. Throws as `run` does.
   */
  async runBriefly<T>(call: () => Promise<T>, ms: number): Promise<{ readonly value: T } | null> {
    let isOver = false;
    let repeat: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      isOver = true;
      this.#connection?.interrupt();
      repeat = setInterval(() => this.#connection?.interrupt(), repeatMs);
    }, ms);
    try {
      const value = await call();
      // An answer that an interruption has met breaks off later.
      return isOver ? null : { value };
    } catch (thrown) {
      this.check();
      if (isOver && isInterrupt(thrown)) return null;
      throw thrown;
    } finally {
      clearTimeout(timer);
      clearInterval(repeat);
    }
  }

  /** Stops the statement; the first reason counts. */
  stop(reason: unknown): void {
    if (this.#ended || this.#reason !== null) return;
    this.#reason =
      reason instanceof ArrowportError
        ? reason
        : new ArrowportError('CANCELLED', 'The query was cancelled.', { cause: reason });
    this.#stopped.abort(this.#reason);
    if (this.#running === 0) {
      this.onStop?.(this.#reason);
      return;
    }
    this.#connection?.interrupt();
    this.#repeat = setInterval(() => this.#connection?.interrupt(), repeatMs);
  }

  /** Whether a call of the engine is under way. */
  get isRunning(): boolean {
    return this.#running > 0;
  }

  /** The statement is over. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearInterval(this.#repeat);
    this.#context.signal?.removeEventListener('abort', this.#onAbort);
  }
}

function timeoutError(timeoutMs: number): ArrowportError {
  return new ArrowportError('QUERY_TIMEOUT', `The query took longer than ${timeoutMs} ms.`, {
    details: { limit: 'query.timeout_ms' },
  });
}
