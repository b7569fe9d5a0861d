import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { startDeltaServer } from '../../test/integration/delta-doors/delta-server.ts';
import { arrowBytes } from '../../test/support/arrow.ts';

const { values: options } = parseArgs({
  options: {
    clients: { type: 'string', default: '64' },
    loads: { type: 'string', default: '20' },
    rows: { type: 'string', default: '1000' },
    keys: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const usage = `node bench/load/delta-small-loads.ts [--clients 64] [--loads 20] [--rows 1000] [--keys]
Many clients at once, each sending small loads one after another to one Delta table over HTTP; with --keys every load
has an idempotency key. Prints loads a second, latencies, and how many commits and files the table has then.
--clients 1 --loads 1000 shows how the latency of a load grows with the log: it prints the median of each tenth.`;

/** Sends one load; resolves with its milliseconds. */
function send(agent: Agent, port: number, body: Uint8Array, key: string | null): Promise<number> {
  const startedAt = performance.now();
  const headers = {
    'content-type': 'application/vnd.apache.arrow.stream',
    'content-length': body.byteLength,
    ...(key === null ? {} : { 'idempotency-key': key }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, method: 'POST', path: '/delta/small', agent, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(performance.now() - startedAt);
        else reject(new Error(Buffer.concat(parts).toString()));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function quantile(times: readonly number[], share: number): string {
  const sorted = times.toSorted((a, b) => a - b);
  return `${(sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)} ms`;
}

async function main(): Promise<void> {
  const [clients, loads, rows] = [Number(options.clients), Number(options.loads), Number(options.rows)];
  const cleanups: (() => void | Promise<void>)[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    const server = await startDeltaServer({ after: (cleanup) => cleanups.push(cleanup) });
    const body = await arrowBytes(
      `table = pa.table({'id': np.arange(${rows}), 'v': np.random.rand(${rows}), 's': ['text %d' % (i % 97) for i in range(${rows})]})`,
    );
    for (let n = 0; n < 5; n++) await send(agent, server.port, body, null);
    const times: number[] = [];
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        for (let n = 0; n < loads; n++) {
          times.push(await send(agent, server.port, body, options.keys ? `${client}-${n}` : null));
        }
      }),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    const info = (await (await fetch(`${server.url}/delta/small`)).json()) as Record<string, number>;
    const wanted = rows * (clients * loads + 5);
    if (info['row_count'] !== wanted) throw new Error(`${info['row_count']} rows instead of ${wanted}`);
    process.stdout.write(
      `${clients} clients x ${loads} loads x ${rows} rows: ${((clients * loads) / seconds).toFixed(0)} loads/s, ` +
        `p50 ${quantile(times, 0.5)}, p95 ${quantile(times, 0.95)}, p99 ${quantile(times, 0.99)}; ` +
        `version ${info['version']}, ${info['file_count']} files\n`,
    );
    if (clients > 1) return;
    const tenth = Math.ceil(times.length / 10);
    for (let at = 0; at < times.length; at += tenth) {
      const part = times.slice(at, at + tenth);
      process.stdout.write(
        `  loads ${at} to ${at + part.length - 1}: p50 ${quantile(part, 0.5)}, p95 ${quantile(part, 0.95)}\n`,
      );
    }
  } finally {
    agent.destroy();
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

if (options.help) process.stdout.write(`${usage}\n`);
else await main();
