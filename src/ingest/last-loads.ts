import type { IngestObserver } from '../core/observer.ts';
import type { LastLoad } from '../core/operations.ts';

/** The last load of each stream and of each pattern since the start. */
export interface LastLoads {
  /** Hears of the commits. */
  readonly observer: IngestObserver;
  /** By stream name, or by pattern. */
  find(name: string): LastLoad | undefined;
  /** The latest loads, newest first; empty where there was none. */
  list(name: string): readonly LastLoad[];
}

/** Clients choose names, so only so many are remembered. */
const MAX_NAMES = 10_000;
const MAX_LOADS = 10;

/** Makes an empty memory that forgets the name that was quiet longest when it is full. */
export function createLastLoads(maxNames: number = MAX_NAMES): LastLoads {
  const loads = new Map<string, readonly LastLoad[]>();
  const remember = (name: string, load: LastLoad) => {
    const latest = [load, ...(loads.get(name) ?? [])].slice(0, MAX_LOADS);
    loads.delete(name);
    loads.set(name, latest);
    for (const oldest of loads.keys()) {
      if (loads.size <= maxNames) return;
      loads.delete(oldest);
    }
  };
  return {
    find: (name) => loads.get(name)?.[0],
    list: (name) => loads.get(name) ?? [],
    observer: {
      ...silentObserver,
      loadCommitted({ stream, label }, { commit_id, rows_processed, bytes, replayed }) {
        if (replayed) return;
        const load = { commit_id, rows: rows_processed, bytes, committed_at: new Date().toISOString() };
        remember(stream, load);
        if (label !== null && label !== stream) remember(label, load);
      },
    },
  };
}

const ignore = () => undefined;

const silentObserver: IngestObserver = {
  streamOpened: ignore,
  batchReceived: ignore,
  batchDecoded: ignore,
  loadCommitted: ignore,
  loadFailed: ignore,
  streamClosed: ignore,
  requestFailed: ignore,
  admissionRejected: ignore,
  inflightBytes: ignore,
};
