/** Between the statements of a load, and between the loads of one producer, nothing is written for a moment. */
const lingerMs = 100;

/** Knows whether rows are being written, which queries make room for. */
export class LoadActivity {
  #running = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  /** Runs what writes rows of a load. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#endedAt = performance.now();
    }
  }

  /** Whether rows are written now; a load whose rows are slow to come does not count meanwhile. */
  isBusy(): boolean {
    return this.#running > 0 || performance.now() - this.#endedAt < lingerMs;
  }
}
