import type { Backend } from '../core/backend.ts';
import type { BackendKind } from '../core/receipt.ts';

/** Opens one kind of backend; called again after a failure. */
export type BackendOpener = () => Promise<Backend>;

/** The backends of one server, each opened when it is first needed. */
export interface BackendRegistry {
  /** Opens the backend unless it is open. Throws what opening it throws. */
  open(kind: BackendKind): Promise<Backend>;
  /** Those that are open, by their kind. */
  opened(): ReadonlyMap<BackendKind, Backend>;
  /** Closes those that are open or opening; none can be opened afterwards. Throws the first failure, having tried all. */
  close(): Promise<void>;
}

/** Makes a registry; `openers` import their backend only when they are called. */
export function createBackendRegistry<B extends Record<BackendKind, BackendOpener>>(
  openers: B,
): BackendRegistry {
  const opening = new Map<BackendKind, Promise<Backend>>();
  const opened = new Map<BackendKind, Backend>();
  let closed = false;

  const start = async (kind: BackendKind): Promise<Backend> => {
    try {
      const backend = await openers[kind]();
      opened.set(kind, backend);
      return backend;
    } catch (error) {
      opening.delete(kind);
      throw error;
    }
  };

  return {
    open(kind) {
      if (closed) return Promise.reject(new Error(`The ${kind} backend is closed.`));
      const known = opening.get(kind);
      if (known !== undefined) return known;
      const promise = start(kind);
      opening.set(kind, promise);
      return promise;
    },
    opened: () => opened,
    async close() {
      closed = true;
      await Promise.allSettled(opening.values());
      const results = await Promise.allSettled([...opened.values()].map((backend) => backend.close()));
      opened.clear();
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}
