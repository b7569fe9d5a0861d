import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workerEnvironment } from '../integration/delta-doors/delta-server.ts';
import { repositoryRoot } from '../support/repository.ts';
import type { TestServer } from '../support/server.ts';

/** Starts the server's program on its folder and kills it while it starts. */
export async function dieAtStart(server: TestServer, afterMs: number): Promise<void> {
  const main = join(repositoryRoot, 'src', 'main.ts');
  const child = spawn(process.execPath, [main, 'serve', '--config', server.configPath, '--port', '0'], {
    cwd: server.folder,
    env: { ...process.env, ...workerEnvironment() },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  await sleep(afterMs);
  child.kill('SIGKILL');
  await ended;
}

/** Whether the server is gone although nobody ended it. */
export function endedByItself(server: Pick<TestServer, 'pid'>): boolean {
  try {
    process.kill(server.pid, 0);
    return false;
  } catch {
    return true;
  }
}

/** Kills the Delta worker of the server with SIGKILL; false where there is none at the moment. */
export function killWorker(server: Pick<TestServer, 'pid'>): boolean {
  const pid = findWorker(server.pid);
  if (pid === undefined) return false;
  process.kill(pid, 'SIGKILL');
  return true;
}

function findWorker(parent: number): number | undefined {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
  return children
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
    .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('arrowport_delta'));
}
