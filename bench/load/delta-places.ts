import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startObjectStore } from '../../test/integration/delta/object-store.ts';
import { startDeltaServer } from '../../test/integration/delta-doors/delta-server.ts';
import { runPython } from '../../test/support/python.ts';
import type { CleanupOwner } from '../../test/support/temp-folder.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    rounds: { type: 'string', default: '3' },
    codec: { type: 'string', default: 'zstd' },
    partitions: { type: 'string', default: 'site' },
    help: { type: 'boolean', default: false },
  },
});

const usage = `node bench/load/delta-places.ts [--rows 5000000] [--rounds 3] [--codec zstd|plain] [--partitions site|device]
Loads the bench's rows over HTTP into Delta tables whose files delta-rs or DuckDB writes: in a local folder, in partitions of
one (8 sites, or 5000 devices), and in an S3-compatible store that runs here. Prints the best of the rounds.`;

const writers = ['delta-rs', 'duckdb'] as const;
const places = ['local', 'partitions', 'store'] as const;

/** Loads once into a table of its own; resolves with seconds. */
async function send(port: number, table: string, body: Uint8Array): Promise<number> {
  const startedAt = performance.now();
  const answer = await fetch(`http://127.0.0.1:${port}/ingest/${table}`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': 'application/vnd.apache.arrow.stream' },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return (performance.now() - startedAt) / 1000;
}

/** CPU seconds of a process and its children, as the system counts them. */
function cpuSeconds(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) / 100;
  return children.reduce((sum, child) => sum + cpuSeconds(Number(child)), own);
}

function configOf(place: (typeof places)[number], writer: string, endpoint: string): string {
  const partition = place === 'partitions' ? `, partition_by: [${options.partitions}]` : '';
  const root =
    place === 'store'
      ? `table_path: s3://lake/${writer}, storage_options: {endpoint: "${endpoint}", region: us-east-1, access_key_id: a, secret_access_key: b, allow_http: "true"}`
      : 'table_path: ./delta_tables';
  return `storage_backend: delta\ndelta_config: {${root}, auto_compact: false}\nstreams: {"*": {delta_options: {writer: ${writer}${partition}}}}\n`;
}

async function measure(owner: CleanupOwner, body: Uint8Array): Promise<void> {
  const endpoint = await startObjectStore(owner);
  for (const place of places) {
    for (const writer of writers) {
      const server = await startDeltaServer(owner, configOf(place, writer, endpoint));
      await send(server.port, 'warm_up', body);
      let best = Number.POSITIVE_INFINITY;
      const before = cpuSeconds(server.pid);
      const rounds = Number(options.rounds);
      for (let round = 0; round < rounds; round += 1) {
        best = Math.min(best, await send(server.port, `round_${round}`, body));
      }
      const cpu = (cpuSeconds(server.pid) - before) / rounds;
      await server.stop();
      process.stdout.write(
        `${place.padEnd(10)} ${writer.padEnd(8)} ${best.toFixed(2)} s, server and worker ${cpu.toFixed(2)} CPU s a load\n`,
      );
    }
  }
}

async function main(): Promise<void> {
  const cleanups: (() => void | Promise<void>)[] = [];
  try {
    const folder = join(import.meta.dirname, '..', '.cache', `rows-${options.rows}`);
    const made = await runPython(join(import.meta.dirname, '..', 'peers', 'make_data.py'), [
      folder,
      options.rows,
    ]);
    if (made.code !== 0) throw new Error(made.stderr);
    await measure(
      { after: (cleanup) => cleanups.push(cleanup) },
      readFileSync(join(folder, `${options.codec}.arrows`)),
    );
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

if (options.help) process.stdout.write(`${usage}\n`);
else await main();
