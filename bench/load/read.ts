import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runPythonJson } from '../../test/support/python.ts';
import { startServer } from '../../test/support/server.ts';
import { makeTempFolder } from '../../test/support/temp-folder.ts';
import { makeDatabase, peers, startQueryPeer } from './query-database.ts';

const sql = 'SELECT * FROM lines';
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '5000000' },
  },
});

const cleanups: (() => void | Promise<void>)[] = [];
const owner = { after: (cleanup: () => void | Promise<void>) => cleanups.push(cleanup) };

/** Measures reading the whole table, every way once a round; prints medians and their ratio to the peer's. */
async function main(): Promise<void> {
  const database = await makeDatabase(options.rows);
  const own = join(makeTempFolder(owner), 'own.duckdb');
  copyFileSync(database, own);
  const server = await startServer(owner, { config: `db_path: ${own}\n` });
  const ways = [
    {
      title: 'pyarrow Flight server + DuckDB',
      way: 'peer',
      address: (await startQueryPeer(owner, database)).address,
    },
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
