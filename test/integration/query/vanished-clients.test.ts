import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../support/patience.ts';
import type { TestServer } from '../../support/server.ts';
import { ask, startGuardedServer, tokens } from './query-client.ts';

/** Statements that are caught in the gate, when they are prepared, while they run, amid their rows, and in a file. */
const statements: readonly (readonly [sql: string, accept: string])[] = [
  ['SELECT sum(sqrt(a.i * b.i)) FROM facts a, range(1000000) b(i)', 'application/json'],
  ['SELECT count(*) FROM (SELECT name, max(h) FROM facts, range(500) GROUP BY ALL)', 'application/json'],
  ['SELECT * FROM facts, range(1000)', 'application/vnd.apache.arrow.stream'],
  ['SELECT * FROM facts, range(1000)', 'text/csv'],
  ['SELECT * FROM facts, range(1000)', 'application/vnd.apache.parquet'],
  [`SELECT 1 WHERE 1 IN (${Array.from({ length: 20_000 }, (_, n) => n).join(',')})`, 'application/json'],
  ['WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r', 'text/csv'],
  ["SELECT len(range(i)), repeat('x', (i % 100)::INT) FROM facts", 'application/x-ndjson'],
  ['SELECT median(i * h) FROM facts, range(100)', 'application/json'],
];
const rounds = 6;
const longestMs = 300;

/** Sends a statement and goes away after a while, or gives it only so much time. */
async function vanish(server: TestServer, index: number, afterMs: number): Promise<void> {
  const [sql = '', accept = ''] = statements[index % statements.length] ?? [];
  const leaving = new AbortController();
  const query = index % 3 === 0 ? `?timeout_ms=${Math.ceil(afterMs + 1)}` : '';
  const timer = setTimeout(() => leaving.abort(), query === '' ? afterMs : afterMs + longestMs);
  try {
    const answer = await fetch(`${server.url}/query${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.reader}`, accept },
      body: sql,
      signal: leaving.signal,
    });
    await answer.arrayBuffer();
  } catch {
    // It went away.
  } finally {
    clearTimeout(timer);
  }
}

/** Seconds of processor time that a process has had. */
function processorSeconds({ pid }: TestServer): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [user = 0, system = 0] = fields.split(' ').slice(11, 13).map(Number);
  return (user + system) / 100;
}

test('clients that vanish at any moment leave nothing running, nothing held and nothing open', {
  skip: existsSync('/proc/self/stat') ? false : 'there is no /proc',
}, async (t) => {
  const server = await startGuardedServer(t);
  const made = await ask(
    server,
    "CREATE TABLE facts AS SELECT i, hash(i) AS h, 'name' || i AS name FROM range(300000) t(i)",
    { token: tokens.admin },
  );
  assert.equal(made.status, 200, made.detail);
  const duckDbBytes = async () => {
    const headers = { authorization: `Bearer ${tokens.reader}` };
    const text = await (await fetch(`${server.url}/metrics`, { headers })).text();
    return Number(/^arrowport_memory_bytes\{kind="duckdb"\} (\S+)/m.exec(text)?.[1]);
  };
  const openFiles = () => readdirSync(`/proc/${server.pid}/fd`).length;
  const go = async (count: number) => {
    for (let round = 0; round < count; round += 1) {
      const begun = statements.map((_, index) =>
        vanish(server, round * 7 + index, (longestMs / rounds / statements.length) * (round * 9 + index)),
      );
      await Promise.all(begun);
    }
    await waitFor('a server that does nothing', async () => {
      const before = processorSeconds(server);
      await sleep(500);
      return processorSeconds(server) - before < 0.2;
    });
  };
  await go(2);
  const before = { bytes: await duckDbBytes(), files: openFiles() };
  await go(rounds);
  await waitFor('the memory', async () => (await duckDbBytes()) - before.bytes < 16 * 1024 * 1024);
  // Connections that are kept alive are what may have come.
  assert.ok(openFiles() - before.files < 40, `${openFiles()} files, ${before.files} before`);
  const answers = await Promise.all(
    Array.from({ length: 24 }, () => ask(server, 'SELECT 1', { token: tokens.reader })),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  const spool = readdirSync(server.folder, { recursive: true }).filter((name) =>
    /\.parquet$/.test(String(name)),
  );
  assert.deepEqual(spool, []);
});
