import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

/** A server of a bench, in a process of its own. */
export interface OwnServer {
  readonly port: number;
  readonly pid: number;
  /** Ends it and waits until it has ended. */
  stop(): Promise<void>;
}

/** Starts `serve` in a folder on a free port; `nodeArguments` are for Node itself. Rejects when it does not start. */
export async function startOwnServer(
  folder: string,
  serveArguments: readonly string[],
  nodeArguments: readonly string[] = [],
): Promise<OwnServer> {
  const args = [...nodeArguments, main, 'serve', ...serveArguments, '--port', '0', '--json'];
  const server = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const closed = once(server, 'close');
  const port = await new Promise<number>((resolve, reject) => {
    server.once('exit', () => reject(new Error('The server did not start.')));
    createInterface({ input: server.stdout }).on('line', (line) => {
      const found = JSON.parse(line) as { port?: number; msg?: string };
      if (found.msg === undefined && found.port !== undefined) resolve(found.port);
    });
  });
  return {
    port,
    pid: server.pid ?? 0,
    async stop() {
      server.kill();
      await closed;
    },
  };
}
