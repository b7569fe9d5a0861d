import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { showLogOfFailures } from './failure-log.ts';
import { patienceMs } from './patience.ts';
import { repositoryRoot } from './repository.ts';
import { type CleanupOwner, makeTempFolder } from './temp-folder.ts';
import { workerCacheFolder } from './worker-cache.ts';

/** What a test server starts with. */
export interface TestServerOptions {
  /** The text of its `arrowport.yaml`; `host` and `db_path` are filled in where it leaves them out. */
  readonly config?: string;
  /** Further files of its folder, by their names; there before it starts. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  /** Does not wait until the server is ready, only until it answers: for one that may find out at once what it lacks. */
  readonly mayBeUnready?: boolean;
}

/** One line of the server's JSON log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A running server of its own process, folder, port and database. */
export interface TestServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end; `https://` where its configuration has `tls`. */
  readonly url: string;
  readonly port: number;
  /** `grpc://127.0.0.1:PORT`, or `grpc+tls://`. */
  readonly flightUrl: string;
  readonly flightPort: number;
  readonly pid: number;
  /** Its working folder, with `arrowport.yaml` in it. */
  readonly folder: string;
  readonly configPath: string;
  readonly dbPath: string;
  /** Every log line so far, restarts included. */
  logs(): readonly LogLine[];
  /** Everything printed so far that was not a JSON log line. */
  text(): string;
  /** Ends it with SIGTERM and returns the exit code; rejects when it has not ended within {@link patienceMs}. */
  stop(): Promise<number | null>;
  /** Waits for one that has had its signal and returns the exit code; rejects as `stop` does. */
  ended(): Promise<number | null>;
  /** Ends it with SIGKILL, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same folder, after `stop` or `kill`; the port is a new one. */
  restart(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  /** Resolves when it has ended and all it printed was read. */
  readonly closed: Promise<unknown>;
  readonly port: number;
  readonly flightPort: number;
}

/** Starts the product as users do, waits until `/health/ready` answers 200; ended and deleted with `owner`. */
export async function startServer(owner: CleanupOwner, options: TestServerOptions = {}): Promise<TestServer> {
  // Its folder goes once it has ended.
  const cleanups: (() => void | Promise<void>)[] = [];
  const folder = makeTempFolder({ after: (cleanup) => void cleanups.push(cleanup) });
  owner.after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  const configPath = join(folder, 'arrowport.yaml');
  const config = completeConfig(options.config ?? '');
  writeFileSync(configPath, config);
  for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(folder, name), text);
  const isEncrypted = /^tls:/m.test(config);
  const lines: LogLine[] = [];
  const printed: string[] = [];
  const start = () => launch(folder, configPath, options, lines, printed);
  showLogOfFailures(owner, () => [...lines.map((line) => JSON.stringify(line)), ...printed]);
  let running = await start();
  cleanups.push(async () => {
    if (isRunning(running.child)) await end(running, 'SIGKILL');
  });
  return {
    get url() {
      return `${isEncrypted ? 'https' : 'http'}://127.0.0.1:${running.port}`;
    },
    get port() {
      return running.port;
    },
    get flightUrl() {
      return `${isEncrypted ? 'grpc+tls' : 'grpc'}://127.0.0.1:${running.flightPort}`;
    },
    get flightPort() {
      return running.flightPort;
    },
    get pid() {
      return running.child.pid ?? 0;
    },
    folder,
    configPath,
    dbPath: findDbPath(config, folder),
    logs: () => lines,
    text: () => printed.join('\n'),
    stop: () => end(running, 'SIGTERM'),
    ended: () => end(running),
    kill: async () => {
      await end(running, 'SIGKILL');
    },
    restart: async () => {
      if (isRunning(running.child)) throw new Error('Stop the server before starting it again.');
      running = await start();
    },
  };
}

function completeConfig(text: string): string {
  const missing = [
    /^host:/m.test(text) ? '' : 'host: 127.0.0.1\n',
    /^db_path:/m.test(text) ? '' : 'db_path: ./test.duckdb\n',
  ];
  return missing.join('') + text;
}

function findDbPath(config: string, folder: string): string {
  const value = /^db_path:\s*['"]?([^'"\s#]+)/m.exec(config)?.[1] ?? './test.duckdb';
  return value === ':memory:' ? value : resolve(folder, value);
}

async function launch(
  folder: string,
  configPath: string,
  options: TestServerOptions,
  lines: LogLine[],
  printed: string[],
): Promise<Running> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('ARROWPORT_'));
  const main = join(repositoryRoot, 'src', 'main.ts');
  const args = [main, 'serve', '--config', configPath, '--port', '0', '--json', ...(options.args ?? [])];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), ARROWPORT_CACHE: workerCacheFolder, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const firstLine = lines.length;
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      const line = parseLogLine(text);
      if (line === undefined) printed.push(text);
      else lines.push(line);
    });
  }
  try {
    // Who checks no certificate learns nothing here; the line with the ports comes when the server is ready.
    const hasTls = /^tls:/m.test(readFileSync(configPath, 'utf8'));
    const answers = hasTls || options.mayBeUnready === true ? async () => true : answersReady;
    const ports = await waitUntilReady(child, () => lines.slice(firstLine), answers);
    return { child, closed, ...ports };
  } catch (error) {
    await end({ child, closed }, 'SIGKILL');
    const log = lines.slice(firstLine).map((line) => JSON.stringify(line));
    throw new Error(`The server did not become ready:\n${[...printed, ...log].join('\n')}`, { cause: error });
  }
}

function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

async function waitUntilReady(
  child: ChildProcess,
  readLines: () => readonly LogLine[],
  answers: (port: number) => Promise<boolean>,
): Promise<Pick<Running, 'port' | 'flightPort'>> {
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    if (!isRunning(child)) throw new Error(`It ended with ${child.exitCode ?? child.signalCode}.`);
    // The line that --json asks for; unlike the log's line it comes at every log level.
    const bound = readLines().find((line) => line['msg'] === undefined && typeof line['port'] === 'number');
    const port = Number(bound?.['port'] ?? 0);
    if (port > 0 && (await answers(port))) {
      return { port, flightPort: Number(bound?.['flight_port'] ?? port) };
    }
    await sleep(10);
  }
  throw new Error(`It was not ready within ${patienceMs} ms.`);
}

async function answersReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`);
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function end(
  { child, closed }: Pick<Running, 'child' | 'closed'>,
  signal?: 'SIGTERM' | 'SIGKILL',
): Promise<number | null> {
  if (signal !== undefined && isRunning(child)) child.kill(signal);
  const tooLate = sleep(patienceMs, 'too late', { ref: false });
  if ((await Promise.race([closed, tooLate])) === 'too late') {
    throw new Error(`The server had not ended ${patienceMs} ms after its signal.`);
  }
  return child.exitCode;
}
