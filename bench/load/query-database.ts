import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runPython, testPython } from '../../test/support/python.ts';
import type { CleanupOwner } from '../../test/support/temp-folder.ts';

/** Where the other side of each measurement is. */
export const peers: string = join(import.meta.dirname, '..', 'peers');

/** Makes a database with the table `lines` of so many rows, once; returns its file, which is not to be changed. */
export async function makeDatabase(rows: string): Promise<string> {
  const folder = join(import.meta.dirname, '..', '.cache', `rows-${rows}`);
  await runPeer('make_data.py', [folder, rows]);
  const database = join(folder, 'lines.duckdb');
  if (!existsSync(database)) await runPeer('make_database.py', [join(folder, 'plain.arrows'), database]);
  return database;
}

/** Starts pyarrow's Flight server over the database, in a process that ends with `owner`. */
export async function startQueryPeer(
  owner: CleanupOwner,
  database: string,
): Promise<{ readonly address: string; readonly pid: number }> {
  const child = spawn(testPython ?? '', [join(peers, 'flight_query_server.py'), database], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  owner.after(() => {
    child.kill();
  });
  const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { address: `grpc://127.0.0.1:${port}`, pid: child.pid ?? 0 };
}

async function runPeer(script: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runPython(join(peers, script), args, { timeoutMs: 600_000 });
  if (code !== 0) throw new Error(`${script} failed:\n${stderr}`);
}
