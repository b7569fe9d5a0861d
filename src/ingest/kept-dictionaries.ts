import type { DictionaryBatchMessage } from '../core/ipc-message.ts';

/** The dictionaries of a stream that goes on in a further transaction, which knows nothing of the earlier one's. */
export interface KeptDictionaries {
  /** Keeps a message until a later one replaces it, and returns it as a load may own it. */
  keep(message: DictionaryBatchMessage): DictionaryBatchMessage;
  /** All that are in force, in an order in which they may be applied; each is to be released like any message. */
  share(): DictionaryBatchMessage[];
  /** Lets go of all. */
  release(): void;
}

interface Kept {
  readonly share: () => DictionaryBatchMessage;
  readonly drop: () => void;
}

/** Makes an empty set. */
export function createKeptDictionaries(): KeptDictionaries {
  // A replaced dictionary keeps its place: dictionaries of nested values come before those that use them.
  const byId = new Map<bigint, Kept[]>();
  return {
    keep(message) {
      const kept = shareMessage(message);
      const before = byId.get(message.id) ?? [];
      if (message.isDelta) byId.set(message.id, [...before, kept]);
      else {
        byId.set(message.id, [kept]);
        for (const replaced of before) replaced.drop();
      }
      return kept.share();
    },
    share: () => [...byId.values()].flat().map((kept) => kept.share()),
    release() {
      for (const kept of [...byId.values()].flat()) kept.drop();
      byId.clear();
    },
  };
}

/** Counts who holds a message; the memory goes back with the last of them. */
function shareMessage(message: DictionaryBatchMessage): Kept {
  let holders = 1;
  const drop = () => {
    holders -= 1;
    if (holders === 0) message.release();
  };
  return {
    drop,
    share() {
      holders += 1;
      let held = true;
      return {
        ...message,
        release() {
          if (held) drop();
          held = false;
        },
      };
    },
  };
}
