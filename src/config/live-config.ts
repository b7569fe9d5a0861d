import type { ReloadAnswer } from '../core/operations.ts';
import { toArrowportError } from '../errors.ts';
import { diffConfig } from './diff.ts';
import type { LoadedConfig } from './load.ts';
import type { Config } from './schema.ts';
import { watchConfig } from './watch.ts';

/** What a reload came to. */
export type ReloadOutcome = ReloadAnswer['status'] | 'rejected';

/** Where a configuration in force comes from, and who must hear of another. */
export interface LiveConfigOptions {
  /** The configuration that the server was built with. */
  readonly initial: LoadedConfig;
  /** Reads the sources again. Throws CONFIG_INVALID. */
  load(): Promise<LoadedConfig>;
  /** Builds what changes and swaps it in; a throw before the swap changes nothing. */
  apply(next: Config): void;
  readonly logger: LiveConfigLogger;
  /** Called once for every reload. */
  onReload(outcome: ReloadOutcome): void;
}

/** The part of a logger that this room uses. */
export interface LiveConfigLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The configuration in force. */
export interface LiveConfig {
  current(): Config;
  /** Reloads now, after reloads that are running. Throws CONFIG_INVALID; the configuration in force is kept then. */
  reload(): Promise<ReloadAnswer>;
  /** Reloads whenever a source changes; `since` is an epoch time in milliseconds from before `initial` was read. */
  watch(since: number): void;
  /** Ends the watch. */
  close(): void;
}

/** Holds a configuration and puts another in its place when the sources say so. */
export function createLiveConfig(options: LiveConfigOptions): LiveConfig {
  const { initial, logger } = options;
  let loaded = initial;
  let running: Promise<unknown> = Promise.resolve();
  let watch: { close(): void } | null = null;

  const apply = (next: LoadedConfig): ReloadAnswer => {
    const { changed } = diffConfig(loaded.config, next.config);
    // Against what the server was built with, so that what waits for a restart is named until it comes.
    const { needsRestart } = diffConfig(initial.config, next.config);
    if (changed.length > 0) options.apply(next.config);
    loaded = next;
    return { status: changed.length > 0 ? 'applied' : 'unchanged', changed, needs_restart: needsRestart };
  };

  const reload = async (): Promise<ReloadAnswer> => {
    try {
      const answer = apply(await options.load());
      options.onReload(answer.status);
      logAnswer(logger, answer);
      return answer;
    } catch (thrown) {
      options.onReload('rejected');
      const error = toArrowportError(thrown);
      const { line, position } = error.details;
      logger.error(
        {
          code: error.code,
          detail: error.message,
          line,
          position,
          ...(error.cause ? { err: error.cause } : {}),
        },
        `configuration rejected, the one in force is kept: ${error.message}`,
      );
      throw error;
    }
  };

  const reloadInTurn = (): Promise<ReloadAnswer> => {
    const turn = running.then(reload);
    running = turn.catch(() => undefined);
    return turn;
  };

  return {
    current: () => loaded.config,
    reload: reloadInTurn,
    watch(since) {
      const onChange = () => void reloadInTurn().catch(() => undefined);
      watch ??= watchConfig(() => loaded.files, onChange, { since });
    },
    close() {
      watch?.close();
    },
  };
}

function logAnswer(logger: LiveConfigLogger, { status, changed, needs_restart }: ReloadAnswer): void {
  const fields = { changed, needs_restart };
  if (status === 'unchanged') logger.debug(fields, 'configuration unchanged');
  else if (needs_restart.length === 0) logger.info(fields, 'configuration applied');
  else logger.warn(fields, 'configuration applied, but some keys wait for a restart');
}
