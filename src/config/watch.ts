import { type BigIntStats, realpathSync, statSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';

/** How a watch looks at its files. */
export interface WatchConfigOptions {
  /** Milliseconds between two looks; a change is reported two to three looks after it was made. */
  readonly intervalMs?: number;
  /** Epoch milliseconds from before the configuration was read: a file changed since then counts as a change. */
  readonly since?: number;
}

/** A running watch. */
export interface ConfigWatch {
  /** Ends the watch; nothing is reported afterwards. */
  close(): void;
}

/** What a file looked like, in text; two states are the same when their texts are. */
type State = string;

const absent: State = 'absent';
const changedBeforeWatch: State = 'changed before the watch';
/** The clock of file times may be this far behind the process's. */
const clockLagMs = 20;

/**
 * Reports changes of configuration files: writes, atomic renames, symlink swaps (also of a folder above, as
 * Kubernetes swaps a ConfigMap), deletes and re-creations. A file that is still being written is waited for:
 * `onChange` is called once two looks in a row saw the same. It must not throw. Never keeps the process alive.
 * `files` gives absolute paths and is asked at each look; a path that joins later counts as seen.
 */
export function watchConfig(
  files: () => readonly string[],
  onChange: () => void,
  { intervalMs = 250, since }: WatchConfigOptions = {},
): ConfigWatch {
  const reported = new Map(files().map((path) => [path, readFirstState(path, since)]));
  let last = new Map(reported);
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function look(): Promise<void> {
    const seen = new Map(
      await Promise.all(files().map(async (path) => [path, await readState(path)] as const)),
    );
    if (closed) return;
    for (const [path, state] of seen) if (!reported.has(path)) reported.set(path, state);
    const isChanged = [...seen].some(([path, state]) => reported.get(path) !== state);
    const isSettled = [...seen].every(([path, state]) => last.get(path) === state);
    last = seen;
    if (!isChanged || !isSettled) return;
    for (const [path, state] of seen) reported.set(path, state);
    onChange();
  }

  function schedule(): void {
    if (closed) return;
    timer = setTimeout(() => void look().then(schedule), intervalMs);
    timer.unref();
  }

  schedule();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** The first look is made at once, so that what is written right after `watchConfig` returned is a change. */
function readFirstState(path: string, since: number | undefined): State {
  try {
    const stats = statSync(path, { bigint: true });
    const isNewer = since !== undefined && Number(stats.ctimeMs) >= since - clockLagMs;
    return isNewer ? changedBeforeWatch : describeState(stats, realpathSync(path));
  } catch {
    return absent;
  }
}

/** A file that cannot be looked at is as good as absent: the reload that follows tells why. */
async function readState(path: string): Promise<State> {
  try {
    return describeState(await stat(path, { bigint: true }), await realpath(path));
  } catch {
    return absent;
  }
}

function describeState({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats, target: string): State {
  return [dev, ino, size, mtimeNs, ctimeNs, target].join(' ');
}
