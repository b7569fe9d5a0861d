import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What to run. */
export interface ProcessCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingFolder?: string;
}

/** How a child process is kept alive. */
export interface SupervisionOptions {
  /** Called before each start; what it throws counts as a failed start. */
  command(): Promise<ProcessCommand>;
  /** A start that gives no ready line within this time has failed. */
  readonly readyTimeoutMs: number;
  /** Wait before the first restart; doubles with each failure up to `maxBackoffMs`. */
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  /** Called with each start after the first. */
  onRestart?(restarts: number): void;
  /** Called when the process went down without being told to; `restartInMs` is the wait before the next start. */
  onDown?(reason: string, restartInMs: number): void;
  /** Called with each line that the process writes to stderr. */
  onStderrLine?(line: string): void;
}

/** What a process said in its ready line: one JSON object on stdout. */
export type ReadyMessage = { readonly [name: string]: unknown };

/** A process that is ready. */
export interface RunningProcess {
  readonly pid: number;
  readonly ready: ReadyMessage;
}

/** A child process that is started when first needed and started again when it dies. */
export interface SupervisedProcess {
  /** Starts the process when it is not running, waits until it is ready. Rejects when the start fails or after `stop`. */
  running(): Promise<RunningProcess>;
  /** The ready process, if there is one now. */
  current(): RunningProcess | undefined;
  /** Starts after the first so far. */
  readonly restarts: number;
  /** SIGTERM, then SIGKILL when the process is still there after `graceMs`. No restart follows. */
  stop(graceMs: number): Promise<void>;
}

/** The process could not be started, or went down before it was ready. `message` is for the log. */
export class ProcessStartError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ProcessStartError';
  }
}

/** Makes a supervised process; nothing is started yet. The child sees the end of its stdin when this process dies. */
export function createSupervisedProcess(options: SupervisionOptions): SupervisedProcess {
  return new Supervisor(options);
}

const STABLE_AFTER_MS = 30_000;

class Supervisor implements SupervisedProcess {
  restarts = 0;
  readonly #options: SupervisionOptions;
  #child: ChildProcess | undefined;
  #starting: Promise<RunningProcess> | undefined;
  #current: RunningProcess | undefined;
  #starts = 0;
  #failures = 0;
  #readySince = 0;
  #stopped = false;
  #restartTimer: NodeJS.Timeout | undefined;

  constructor(options: SupervisionOptions) {
    this.#options = options;
  }

  current(): RunningProcess | undefined {
    return this.#current;
  }

  running(): Promise<RunningProcess> {
    if (this.#stopped) return Promise.reject(new ProcessStartError('the process was stopped'));
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#restartTimer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }

  async #start(): Promise<RunningProcess> {
    clearTimeout(this.#restartTimer);
    this.#starts += 1;
    if (this.#starts > 1) {
      this.restarts += 1;
      this.#options.onRestart?.(this.restarts);
    }
    const command = await this.#options.command();
    if (this.#stopped) throw new ProcessStartError('the process was stopped');
    const child = spawn(command.program, [...command.args], {
      env: { ...command.environment },
      cwd: command.workingFolder,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    const readiness = this.#awaitReady(child);
    this.#forwardStderr(child);
    const ready = await readiness;
    this.#readySince = performance.now();
    this.#current = { pid: child.pid ?? 0, ready };
    child.once('exit', (code, signal) => this.#onDown(describeExit(code, signal)));
    if (child.exitCode !== null || child.signalCode !== null) this.#onDown('it ended right after its start');
    return { pid: child.pid ?? 0, ready };
  }

  #awaitReady(child: ChildProcess): Promise<ReadyMessage> {
    return new Promise((resolve, reject) => {
      const fail = (message: string, cause?: unknown) => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new ProcessStartError(message, cause === undefined ? undefined : { cause }));
      };
      const timer = setTimeout(() => fail('no ready line in time'), this.#options.readyTimeoutMs);
      const onExit = (code: number | null, signal: NodeJS.Signals | null) => fail(describeExit(code, signal));
      child.once('error', (error) => fail('the program cannot be run', error));
      child.once('exit', onExit);
      if (!child.stdout) return;
      const lines = createInterface({ input: child.stdout });
      lines.once('line', (line) => {
        const message = parseReadyLine(line);
        if (message === undefined) {
          fail('the first line on stdout is no ready line');
          return;
        }
        clearTimeout(timer);
        child.off('exit', onExit);
        resolve(message);
      });
    });
  }

  #forwardStderr(child: ChildProcess): void {
    // Without file descriptors left there are no pipes, whatever the types say.
    if (!child.stderr) return;
    createInterface({ input: child.stderr }).on('line', (line) => this.#options.onStderrLine?.(line));
    child.stdin?.on('error', () => {});
  }

  #onDown(reason: string): void {
    if (this.#current === undefined) return;
    this.#current = undefined;
    if (this.#stopped) return;
    this.#failures = performance.now() - this.#readySince > STABLE_AFTER_MS ? 0 : this.#failures;
    this.#scheduleRestart(reason);
  }

  #scheduleRestart(reason: string): void {
    const { firstBackoffMs, maxBackoffMs } = this.#options;
    const waitMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#options.onDown?.(reason, waitMs);
    this.#restartTimer = setTimeout(() => {
      this.running().catch((error: unknown) => {
        if (!this.#stopped) this.#scheduleRestart(error instanceof Error ? error.message : String(error));
      });
    }, waitMs);
    this.#restartTimer.unref();
  }
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`;
}

function parseReadyLine(line: string): ReadyMessage | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'ready' in value ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
