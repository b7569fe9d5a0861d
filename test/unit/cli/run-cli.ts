import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { patienceMs } from '../../support/patience.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { workerCacheFolder } from '../../support/worker-cache.ts';

/** How one run of the command line ended. */
export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

export const mainPath: string = join(repositoryRoot, 'src', 'main.ts');

/** This process's environment without what would configure Arrowport or colour; the worker's environment is the tests'. */
export function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !/^(ARROWPORT_|NO_COLOR$|FORCE_COLOR$)/.test(name),
  );
  return { ...(Object.fromEntries(kept) as Record<string, string>), ARROWPORT_CACHE: workerCacheFolder };
}

/** Runs `arrowport` as a process of its own, away from any terminal. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [mainPath, ...args], {
    cwd: options.cwd ?? repositoryRoot,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 2 * patienceMs,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
