import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConnectionLostError,
  type FrameConnection,
  openFrameConnection,
} from '../../processes/frame-connection.ts';
import { createSupervisedProcess, type SupervisedProcess } from '../../processes/supervised-process.ts';
import { ensureWorkerEnvironment, workerFolder } from './environment.ts';

/** Levels of the worker's log lines. */
export type WorkerLogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What the worker process needs from the server around it. */
export interface WorkerProcessOptions {
  /** Where the worker's Python environment is kept. */
  readonly cacheFolder: string;
  /** The server's environment variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A Python that has the worker's packages, or null to make an environment from the lock file. */
  readonly python: string | null;
  /** Folder for loads that have to be kept whole before they are written; null for one beside the socket. */
  readonly spoolFolder: string | null;
  /** Loads that may run at once. */
  readonly maxLoads: number;
  log(level: WorkerLogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
  /** Called with each start of the worker after the first. */
  onRestart?(restarts: number): void;
}

/** The worker's process: started when first needed, started again when it dies. */
export interface WorkerProcess {
  /** A connection to the running worker, for one operation. Throws ProcessStartError, ConnectionLostError, BACKEND_UNAVAILABLE. */
  connect(): Promise<FrameConnection>;
  /** Starts the worker when it is not running. */
  start(): Promise<void>;
  /** Its process id while it runs. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Why it cannot work, when its last start failed; undefined while it runs or was never needed. */
  readonly problem: string | undefined;
  /** Whether its environment is being made, which may take minutes. */
  readonly isInstalling: boolean;
  /** Lets running operations end within the grace. */
  close(graceMs: number): Promise<void>;
}

const READY_TIMEOUT_MS = 30_000;
const CONNECT_PATIENCE_MS = 2000;
const CONNECT_PAUSE_MS = 20;
const FIRST_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 10_000;
/** Each load may hold one of delta-rs's threads while its producer is slow; these are for everything else. */
const SPARE_THREADS = 16;

/** Makes the worker's process; nothing is started yet. */
export function createWorkerProcess(options: WorkerProcessOptions): WorkerProcess {
  return new Worker(options);
}

class Worker implements WorkerProcess {
  problem: string | undefined;
  isInstalling = false;
  readonly #options: WorkerProcessOptions;
  readonly #supervised: SupervisedProcess;
  readonly #closing = new AbortController();
  #folder: string | undefined;
  #socketPath = '';
  #starts = 0;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.#supervised = createSupervisedProcess({
      command: () => this.#command(),
      readyTimeoutMs: READY_TIMEOUT_MS,
      firstBackoffMs: FIRST_BACKOFF_MS,
      maxBackoffMs: MAX_BACKOFF_MS,
      onRestart: (restarts) => options.onRestart?.(restarts),
      onDown: (reason, restartInMs) =>
        options.log('warn', 'the Delta worker went down', { reason, restart_in_ms: restartInMs }),
      onStderrLine: (line) => this.#forward(line),
    });
  }

  get pid(): number | undefined {
    return this.#supervised.current()?.pid;
  }

  get restarts(): number {
    return this.#supervised.restarts;
  }

  async start(): Promise<void> {
    if (this.#supervised.current() !== undefined) return;
    try {
      const { ready } = await this.#supervised.running();
      this.problem = undefined;
      this.#options.log('info', 'the Delta worker is ready', {
        pid: ready['pid'],
        deltalake: ready['deltalake'],
        python: ready['python'],
      });
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  async connect(): Promise<FrameConnection> {
    const patience = performance.now() + CONNECT_PATIENCE_MS;
    for (;;) {
      await this.start();
      try {
        return await openFrameConnection(this.#socketPath);
      } catch (error) {
        // It has just died: nothing was sent yet, so its successor will do as well.
        if (!(error instanceof ConnectionLostError) || performance.now() > patience) throw error;
        await sleep(CONNECT_PAUSE_MS, undefined, { signal: this.#closing.signal });
      }
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#closing.abort();
    await this.#supervised.stop(graceMs);
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  async #command() {
    const python = await this.#findPython();
    this.#folder ??= await mkdtemp(join(tmpdir(), 'arrowport-'));
    this.#starts += 1;
    this.#socketPath = join(this.#folder, `worker-${this.#starts}.sock`);
    const spool = this.#options.spoolFolder ?? join(this.#folder, 'spool');
    await mkdir(spool, { recursive: true, mode: 0o700 });
    return {
      program: python,
      args: ['-m', 'arrowport_delta', '--socket', this.#socketPath, '--spool', spool],
      environment: {
        ...this.#options.environment,
        PYTHONPATH: workerFolder,
        PYTHONNOUSERSITE: '1',
        PYTHONDONTWRITEBYTECODE: '1',
        RUST_BACKTRACE: '0',
        TOKIO_WORKER_THREADS: String(this.#options.maxLoads + SPARE_THREADS),
      },
      workingFolder: this.#folder,
    };
  }

  async #findPython(): Promise<string> {
    try {
      const { python } = await ensureWorkerEnvironment({
        cacheFolder: this.#options.cacheFolder,
        environment: this.#options.environment,
        python: this.#options.python,
        signal: this.#closing.signal,
        onProgress: (line) => {
          this.isInstalling = true;
          this.#options.log('info', line, {});
        },
      });
      return python;
    } finally {
      this.isInstalling = false;
    }
  }

  #forward(line: string): void {
    const { level, message, fields } = readLogLine(line);
    this.#options.log(level, message, { component: 'delta-worker', ...fields });
  }
}

function readLogLine(line: string): {
  level: WorkerLogLevel;
  message: string;
  fields: Record<string, unknown>;
} {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && 'msg' in value && 'level' in value) {
      const { msg, level, ...fields } = value;
      return { level: isLevel(level) ? level : 'info', message: String(msg), fields };
    }
  } catch {
    // Not one of the worker's own lines: native code wrote it.
  }
  return { level: 'warn', message: 'the Delta worker wrote to stderr', fields: { text: redactLine(line) } };
}

function isLevel(value: unknown): value is WorkerLogLevel {
  return value === 'debug' || value === 'info' || value === 'warn' || value === 'error';
}

const SECRET_TEXT = /(key|secret|token|password|credential|signature|sig)("?\s*[=:]\s*"?)[^\s,;&"')]+/gi;

function redactLine(line: string): string {
  return line.replace(SECRET_TEXT, '$1$2***').replace(/(\w+:\/\/)[^/\s@]+@/g, '$1***@');
}
