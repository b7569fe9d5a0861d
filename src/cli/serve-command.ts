import { constants } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { CliHost } from './host.ts';
import { writeJson } from './output.ts';

interface ServeOptions {
  readonly config?: string;
  readonly db?: string;
  readonly host?: string;
  readonly port?: number;
  readonly json?: boolean;
}

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/** `arrowport serve`. */
export function registerServeCommand(program: Command, host: CliHost): void {
  program
    .command('serve')
    .description('start the server; SIGTERM or SIGINT stops it gracefully, a second one at once')
    .option('-c, --config <file>', 'configuration file (default: ARROWPORT_CONFIG, then ./arrowport.yaml)')
    .option('--db <file>', 'DuckDB file, or :memory:')
    .option('--host <address>', 'address to listen on')
    .option('--port <number>', 'port to listen on; 0 takes a free one', readPort)
    .option('--json', 'print the bound addresses as one JSON line once the server is ready')
    .addHelpText('after', '\nExample:\n  $ arrowport serve --config arrowport.yaml --db ./data.duckdb')
    .action((options: ServeOptions) => serve(options, host));
}

async function serve(options: ServeOptions, host: CliHost): Promise<void> {
  const stopRequested = waitForStopSignal(host);
  const { createArrowport } = await import('../arrowport.ts');
  const server = await createArrowport({
    ...(options.config === undefined ? {} : { configPath: options.config }),
    overrides: {
      ...(options.db === undefined ? {} : { db_path: options.db }),
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.port === undefined ? {} : { port: options.port }),
    },
    env: host.env,
    cwd: host.cwd,
  });
  try {
    const address = await server.start();
    if (options.json === true) {
      const { host: boundHost, port, flightPort } = address;
      writeJson(host.stdout, { host: boundHost, port, flight_port: flightPort, pid: process.pid });
    }
    await stopRequested;
  } finally {
    await server.stop();
  }
}

/** The scripts of npm that serve: npm passes on the signals that the terminal has sent to this process as well. */
const npmScripts: ReadonlySet<string> = new Set(['start', 'npx']);

/** Signals that come as close behind the first one as this, under npm, are the same one. */
const SAME_SIGNAL_MS = 1000;

/** Resolves at the first stop signal; the second one ends the process. */
function waitForStopSignal({ stderr, env }: Pick<CliHost, 'stderr' | 'env'>): Promise<void> {
  const isDoubled = npmScripts.has(env['npm_lifecycle_event'] ?? '');
  return new Promise((resolve) => {
    let stoppedAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stoppedAt !== undefined) {
        if (isDoubled && performance.now() - stoppedAt < SAME_SIGNAL_MS) return;
        stderr.write(
          `stopped at once by a second ${signal}: running loads are broken off; send them again under their keys\n`,
        );
        process.exit(128 + constants.signals[signal]);
      }
      stoppedAt = performance.now();
      if (stderr.isTTY === true)
        stderr.write('stopping once what is running has ended; Ctrl-C again stops at once\n');
      resolve();
    };
    for (const signal of stopSignals) process.on(signal, onSignal);
  });
}

/** Parses a port for commander. */
function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new InvalidArgumentError('use 0 to 65535.');
  return port;
}
