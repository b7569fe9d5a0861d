/** What the worker holds of one load, counted among the memory of all loads. */
export interface WorkerShare {
  /** The worker was sent so many bytes, unfolded. */
  add(bytes: number): void;
  /** The worker has given everything back. */
  end(): void;
}

/** What the worker gathers of a load before it writes. */
const mostBytes = 16 * 1024 * 1024;

/** Makes the share of one load: its newest messages, up to what the worker keeps. `hold` counts bytes and returns what ends that. */
export function createWorkerShare(hold: ((bytes: number) => () => void) | undefined): WorkerShare {
  let held: { readonly bytes: number; end(): void }[] = [];
  let heldBytes = 0;
  let ended = false;
  return {
    add(bytes) {
      if (hold === undefined || ended) return;
      held.push({ bytes, end: hold(bytes) });
      heldBytes += bytes;
      for (let first = held[0]; heldBytes > mostBytes && first !== undefined; first = held[0]) {
        held.shift();
        heldBytes -= first.bytes;
        first.end();
      }
    },
    end() {
      ended = true;
      for (const { end } of held) end();
      held = [];
      heldBytes = 0;
    },
  };
}
