import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readProcessMemory } from '../../test/pressure/memory-watch.ts';
import { runPythonJson } from '../../test/support/python.ts';
import { startServer } from '../../test/support/server.ts';
import { makeTempFolder } from '../../test/support/temp-folder.ts';
import { makeDatabase, peers, startQueryPeer } from './query-database.ts';

const storedRows = 5_000_000;
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000000' },
    'max-memory-mb': { type: 'string', default: '512' },
  },
});
const rows = Number(options.rows);
const maxMemoryMb = Number(options['max-memory-mb']);
const sql = `SELECT lines.* FROM lines, range(${Math.ceil(rows / storedRows)})`;

interface Answer {
  readonly rows: number;
  readonly sum: string;
  readonly seconds: number;
}

type Way = 'flight' | 'http' | 'peer';
const titles: Readonly<Record<Way, string>> = {
  flight: 'Arrowport, Flight DoGet',
  http: 'Arrowport, HTTP /query',
  peer: 'pyarrow Flight server + DuckDB',
};

/** Reads the result one way, off a server of its own; returns the most memory that the server ever held. */
async function measure(way: Way, database: string): Promise<{ answer: Answer; peakMb: number }> {
  const cleanups: (() => void | Promise<void>)[] = [];
  const owner = { after: (cleanup: () => void | Promise<void>) => cleanups.push(cleanup) };
  try {
    const { address, pid } = await start(way, database, owner);
    const answer = await runPythonJson<Answer>(join(peers, 'sum_client.py'), [way, address, sql]);
    return { answer, peakMb: readProcessMemory(pid).peakMb };
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

async function start(way: Way, database: string, owner: Parameters<typeof makeTempFolder>[0]) {
  if (way === 'peer') return startQueryPeer(owner, database);
  const own = join(makeTempFolder(owner), 'own.duckdb');
  copyFileSync(database, own);
  const server = await startServer(owner, { config: `db_path: ${own}\n` });
  return { address: way === 'flight' ? server.flightUrl : server.url, pid: server.pid };
}

/** Reads a result far larger than the server's memory every way; prints rows a second and the peak memory, and fails past the bound. */
async function main(): Promise<void> {
  const database = await makeDatabase(String(storedRows));
  const copies = Math.ceil(rows / storedRows);
  const sum = (BigInt(storedRows) * BigInt(storedRows - 1) * BigInt(copies)) / 2n;
  for (const way of ['flight', 'http', 'peer'] as const) {
    const { answer, peakMb } = await measure(way, database);
    const isWhole = answer.rows === copies * storedRows && answer.sum === String(sum);
    const isSmall = way === 'peer' || peakMb < maxMemoryMb;
    console.log(
      `${titles[way].padEnd(32)} ${answer.rows} rows  ${answer.seconds.toFixed(1)} s  ${(answer.rows / answer.seconds / 1e6).toFixed(2)} M rows/s  peak memory of the server ${peakMb.toFixed(0)} MB`,
    );
    if (!isWhole) throw new Error(`${titles[way]}: the rows are not those of the table.`);
    if (!isSmall) throw new Error(`${titles[way]}: the server held ${peakMb.toFixed(0)} MB.`);
  }
}

await main();
