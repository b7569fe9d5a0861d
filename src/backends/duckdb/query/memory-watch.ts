import { ArrowportError } from '../../../errors.ts';
import type { RunGuard } from './run-guard.ts';

const sampleMs = 25;
/** How long a stopped statement has to give its memory back before the next one is stopped. */
const settleMs = 250;

/**
 * Stops statements whose memory DuckDB does not count (states of some aggregates are not in its limit), when the
 * process grows too far while they run. The one that began last goes first; statements that are not watched stay.
 */
export class MemoryWatch {
  readonly #limitBytes: () => number | null;
  /** What the process had at the least since each began, in the order in which they began. */
  readonly #watched = new Map<RunGuard, number>();
  #timer: NodeJS.Timeout | undefined;
  #stoppedAt = Number.NEGATIVE_INFINITY;

  constructor(limitBytes: () => number | null) {
    this.#limitBytes = limitBytes;
  }

  /** Watches until the function that it returns is called. */
  watch(guard: RunGuard): () => void {
    this.#watched.set(guard, process.memoryUsage.rss());
    this.#timer ??= setInterval(() => this.#look(), sampleMs).unref();
    return () => {
      this.#watched.delete(guard);
      if (this.#watched.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #look(): void {
    const limit = this.#limitBytes();
    const now = process.memoryUsage.rss();
    for (const [guard, least] of this.#watched) this.#watched.set(guard, Math.min(least, now));
    if (limit === null || performance.now() - this.#stoppedAt < settleMs) return;
    const over = [...this.#watched].findLast(
      ([guard, least]) => guard.reason === null && now - least > limit,
    );
    if (over === undefined) return;
    this.#stoppedAt = performance.now();
    over[0].stop(
      new ArrowportError(
        'RESULT_TOO_LARGE',
        'The query takes more memory than one may (query.max_growth_bytes).',
        {
          details: { limit: 'query.max_growth_bytes' },
        },
      ),
    );
  }
}
