import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { runPython, runPythonJson, testPython } from '../../test/support/python.ts';
import { startServer } from '../../test/support/server.ts';
import { makeTempFolder } from '../../test/support/temp-folder.ts';

const sql = 'SELECT * FROM lines';
const peers = join(import.meta.dirname, '..', 'peers');
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '5000000' },
  },
});

const cleanups: (() => void | Promise<void>)[] = [];
const owner = { after: (cleanup: () => void | Promise<void>) => cleanups.push(cleanup) };

async function runPeer(script: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runPython(join(peers, script), args, { timeoutMs: 600_000 });
  if (code !== 0) throw new Error(`${script} failed:\n${stderr}`);
}

async function makeDatabase(rows: string): Promise<string> {
  const folder = join(import.meta.dirname, '..', '.cache', `rows-${rows}`);
  await runPeer('make_data.py', [folder, rows]);
  const database = join(folder, 'lines.duckdb');
  if (!existsSync(database)) await runPeer('make_database.py', [join(folder, 'plain.arrows'), database]);
  return database;
}

async function startPeer(database: string): Promise<string> {
  const child = spawn(testPython ?? '', [join(peers, 'flight_query_server.py'), database], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  owner.after(() => {
    child.kill();
  });
  const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return `grpc://127.0.0.1:${port}`;
}

/** Measures reading the whole table, every way once a round; prints medians and their ratio to the peer's. */
async function main(): Promise<void> {
  const database = await makeDatabase(options.rows);
  const own = join(makeTempFolder(owner), 'own.duckdb');
  copyFileSync(database, own);
  const server = await startServer(owner, { config: `db_path: ${own}\n` });
  const ways = [
    { title: 'pyarrow Flight server + DuckDB', way: 'peer', address: await startPeer(database) },
    { title: 'Arrowport, Flight', way: 'flight', address: server.flightUrl },
    { title: 'Arrowport, HTTP', way: 'http', address: server.url },
  ];
  const seconds = new Map<string, number[]>(ways.map(({ way }) => [way, []]));
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const { way, address } of ways) {
      const args = [way, address, sql];
      const answer = await runPythonJson<{ rows: number; seconds: number }>(
        join(peers, 'read_client.py'),
        args,
      );
      if (answer.rows !== Number(options.rows)) throw new Error(`${way} answered ${answer.rows} rows.`);
      seconds.get(way)?.push(answer.seconds);
    }
  }
  const median = (way: string) => {
    const sorted = (seconds.get(way) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  for (const { title, way } of ways) {
    const rate = (Number(options.rows) / median(way) / 1e6).toFixed(2);
    console.log(
      `${title.padEnd(32)} ${rate} M rows/s  ${(median('peer') / median(way)).toFixed(2)} × the peer`,
    );
  }
}

try {
  await main();
} finally {
  for (const cleanup of cleanups.toReversed()) await cleanup();
}
