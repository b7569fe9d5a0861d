import { fileURLToPath } from 'node:url';
import { runPythonJson } from '../../support/python.ts';
import type { TestServer } from '../../support/server.ts';

const options = { env: { PYTHONDONTWRITEBYTECODE: '1' }, timeoutMs: 540_000 };

function pathOf(program: string): string {
  return fileURLToPath(new URL(`${program}.py`, import.meta.url));
}

/** Runs a Python program of this folder against a running server, and returns the JSON it prints last. */
export function runScenario<T>(
  server: Pick<TestServer, 'url' | 'flightUrl'>,
  program: string,
  args: readonly string[] = [],
): Promise<T> {
  return runPythonJson<T>(pathOf(program), [server.url, server.flightUrl, ...args], options);
}

/** Runs a Python program of this folder on the database file of a stopped server. */
export function readFile<T>(
  server: Pick<TestServer, 'dbPath'>,
  program: string,
  args: readonly string[] = [],
): Promise<T> {
  return runPythonJson<T>(pathOf(program), [server.dbPath, ...args], options);
}
