import { ArrowportError } from '../../errors.ts';

interface Waiter {
  readonly exclusive: boolean;
  grant(): void;
}

/**
 * Many appends at once, or one change of the table. Whoever waits for exclusive use holds newer appends back, but not
 * for longer than it waits itself.
 */
export class TableLock {
  #shared = 0;
  #exclusive = false;
  #waiting: Waiter[] = [];

  /** Resolves with the function that lets go. */
  async share(): Promise<() => void> {
    if (!this.#exclusive && this.#waiting.length === 0) this.#shared += 1;
    else await this.#wait(false, null);
    return once(() => {
      this.#shared -= 1;
      this.#wake();
    });
  }

  /** Resolves with the function that lets go. Throws COMMIT_CONFLICT when appends do not end within `patienceMs`. */
  async exclude(patienceMs: number): Promise<() => void> {
    if (!this.#exclusive && this.#shared === 0 && this.#waiting.length === 0) this.#exclusive = true;
    else await this.#wait(true, patienceMs);
    return once(() => {
      this.#exclusive = false;
      this.#wake();
    });
  }

  #wait(exclusive: boolean, patienceMs: number | null): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiter: Waiter = {
        exclusive,
        grant() {
          clearTimeout(timer);
          resolve();
        },
      };
      if (patienceMs !== null) {
        timer = setTimeout(() => {
          this.#waiting = this.#waiting.filter((other) => other !== waiter);
          reject(
            new ArrowportError(
              'COMMIT_CONFLICT',
              'Other loads of the table did not end in time for its columns to change.',
            ),
          );
          this.#wake();
        }, patienceMs);
      }
      this.#waiting.push(waiter);
    });
  }

  #wake(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#exclusive || (next.exclusive && this.#shared > 0)) return;
      this.#waiting.shift();
      if (next.exclusive) this.#exclusive = true;
      else this.#shared += 1;
      next.grant();
    }
  }
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
