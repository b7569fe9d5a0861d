import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { testPython } from '../support/python.ts';
import { repositoryRoot } from '../support/repository.ts';
import type { TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';

/** PyArrow clients that put, break off and come back. */
export interface FlightCrowd {
  /** Resolves with the number of loads that were acknowledged. */
  run(seconds: number): Promise<number>;
}

const clients = 6;

/** Starts the crowd's process; it ends with `owner`. */
export function createFlightCrowd(owner: CleanupOwner, server: Pick<TestServer, 'flightUrl'>): FlightCrowd {
  const script = join(repositoryRoot, 'test', 'soak', 'flight_crowd.py');
  const child = spawn(testPython ?? 'python3', [script, server.flightUrl, String(clients), '1'], {
    // Arrow prints a line of its own for each writer that its server ended.
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  owner.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  const lines = createInterface({ input: child.stdout });
  return {
    async run(seconds) {
      child.stdin.write(`${seconds}\n`);
      const [line] = (await once(lines, 'line')) as [string];
      return Number(line);
    },
  };
}
