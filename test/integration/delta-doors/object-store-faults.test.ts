import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import type { TestServer } from '../../support/server.ts';
import { waitForLine } from '../../support/server-log.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';
import { skipWithoutObjectStore, startObjectStore } from '../delta/object-store.ts';
import { compareWithSent } from '../delta/python-readers.ts';
import { listenForStore, startTroubledStore } from '../delta/store-proxy.ts';
import { getJson } from '../producers.ts';
import { commit, httpDoor, load, startDeltaServer } from './delta-server.ts';

const secrets = {
  LAKE_KEY: 'AKIAVERYSECRETKEYID0',
  LAKE_SECRET: 'wJalrXUtnFEMIveryK7MDENGbPxRfiCYSECRETKEY',
  LAKE_TOKEN: 'session-token-that-nobody-may-see',
};

const skip = await skipWithoutObjectStore();
const endpoint = skip === false ? await startObjectStore({ after }) : '';

/** A server whose tables are at `address`; further storage options as YAML lines. */
function startLake(owner: CleanupOwner, address: string, prefix: string, options: readonly string[] = []) {
  const config = `storage_backend: delta
delta_config:
  table_path: s3://lake/${prefix}
  storage_options:
    endpoint: ${address}
    region: us-east-1
    allow_http: true
    path_style_access: true
    access_key_id: \${LAKE_KEY}
    secret_access_key: \${LAKE_SECRET}
    session_token: \${LAKE_TOKEN}
${options.map((line) => `    ${line}\n`).join('')}`;
  return startDeltaServer(owner, config, secrets);
}

async function assertNoSecrets(server: TestServer, answers: readonly unknown[]): Promise<void> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const shown = [JSON.stringify(answers), metrics, JSON.stringify(server.logs()), server.text()];
  const worker = await waitForLine(server, 'the Delta worker is ready');
  for (const pid of [server.pid, worker['pid']]) {
    if (process.platform === 'linux') shown.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  }
  for (const secret of Object.values(secrets)) {
    for (const text of shown) assert.ok(!text.includes(secret), text.slice(0, 2000));
  }
}

describe('A lake in an object store', { skip }, () => {
  const rows = (from: number, count = 10) =>
    arrowBytes(`table = pa.table({"id": np.arange(${from}, ${from + count}), "v": np.arange(${count}) / 7})`);

  test('takes loads of every size and every verb, and shows its credentials nowhere', async (t) => {
    const server = await startLake(t, endpoint, 'all');
    const small = await rows(0);
    const large = await rows(1000, 1_500_000);
    const answers: unknown[] = [await commit(server, '/ingest/events', small, { 'idempotency-key': 'a' })];
    answers.push(await commit(server, '/ingest/events', large));
    answers.push(await commit(server, '/ingest/events', small, { 'idempotency-key': 'a' }));
    const readerOptions = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
      AWS_ALLOW_HTTP: 'true',
    };
    const seen = await compareWithSent(
      server.folder,
      's3://lake/all/events',
      [small, large],
      'id',
      readerOptions,
    );
    assert.deepEqual([seen.differing, seen.rows, seen.polars_rows], [[], 1_500_010, 1_500_010]);
    const door = httpDoor(server);
    const verbs: readonly (readonly [string, object])[] = [
      ['update', { updates: { v: 'v + 1' }, predicate: 'id < 5' }],
      ['delete', { predicate: 'id >= 1000' }],
      ['optimize', {}],
      ['z-order', { columns: ['id'] }],
      ['checkpoint', {}],
      ['clean-log', {}],
      ['properties', { properties: { 'delta.logRetentionDuration': 'interval 3 days' } }],
      ['restore', { version: 0 }],
      ['vacuum', { retention_hours: 0, force: true, dry_run: false }],
      ['list', {}],
      ['info', {}],
    ];
    for (const [verb, options] of verbs) {
      const { code, body } = await door.run(verb, 'events', options);
      assert.equal(code, null, `${verb}: ${JSON.stringify(body)}`);
      answers.push(body);
    }
    const { body } = await getJson(server, '/delta/events');
    assert.equal(body['row_count'], 10);
    await assertNoSecrets(server, answers);
  });

  test('that loses the answer to a commit keeps the rows that the commit has written anew', async (t) => {
    let lost = 0;
    const address = await startTroubledStore(t, endpoint, (_count, method, path) => {
      if (method !== 'PUT' || !/_delta_log\/0+1\.json/.test(path)) return 'pass';
      lost += 1;
      return 'lose answer';
    });
    const server = await startLake(t, address, 'wider');
    const source = (kind: string, from: number) =>
      `table = pa.table({"n": pa.array(range(${from}, ${from + 10}), pa.${kind}())})`;
    await commit(server, '/delta/wider', await arrowBytes(source('int32', 0)));
    await commit(server, '/delta/wider?schema_mode=merge', await arrowBytes(source('int64', 10)));
    assert.ok(lost > 0);
    const answer = await fetch(`${server.url}/delta/wider/rows`, { headers: { accept: 'application/json' } });
    const kept = (await answer.json()) as readonly { n: number }[];
    assert.deepEqual(
      kept.map(({ n }) => n).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  for (const way of ['refuse', 'lose answer'] as const) {
    test(`that answers 503 now and then (${way}) keeps every load once`, async (t) => {
      const address = await startTroubledStore(t, endpoint, (count) => (count % 4 === 0 ? way : 'pass'));
      const server = await startLake(t, address, way.replace(' ', '-'));
      const bytes = await rows(0);
      for (let n = 0; n < 4; n++) {
        await commit(server, '/ingest/shaky', bytes, n % 2 === 0 ? {} : { 'idempotency-key': `${n}` });
      }
      await Promise.all(Array.from({ length: 8 }, () => commit(server, '/ingest/shaky', bytes)));
      await commit(server, '/ingest/shaky', await rows(0, 1_500_000));
      const { body } = await getJson(server, '/delta/shaky');
      assert.equal(body['row_count'], 12 * 10 + 1_500_000);
      const { body: log } = await getJson<{ history: { operation: string }[] }>(
        server,
        '/delta/shaky/history',
      );
      const ids = log.history.map((entry) => (entry as Record<string, unknown>)['arrowport.commit_id']);
      assert.equal(new Set(ids).size, ids.length);
    });
  }

  test('that refuses the credentials is unavailable, says so in one line, and is not tried for long', async (t) => {
    let asked = 0;
    const address = await listenForStore(t, (incoming, answer) => {
      asked += 1;
      incoming.resume();
      answer.writeHead(403, { 'content-type': 'application/xml' });
      answer.end(
        `<Error><Code>InvalidAccessKeyId</Code><Message>${secrets.LAKE_KEY} is not known</Message></Error>`,
      );
    });
    const server = await startLake(t, address, 'closed');
    const { status, headers, body } = await load(server, '/ingest/s', await rows(0));
    assert.deepEqual([status, body['code'], body['outcome']], [503, 'BACKEND_UNAVAILABLE', 'retryable']);
    assert.match(String(body['detail']), /^[^\n]*credentials[^\n]*$/);
    assert.ok(Number(headers.get('retry-after')) >= 1);
    for (const [verb, options] of [
      ['list', {}],
      ['info', {}],
      ['optimize', {}],
    ] as const) {
      assert.equal((await httpDoor(server).run(verb, 's', options)).code, 'BACKEND_UNAVAILABLE', verb);
    }
    assert.ok(asked < 40, `${asked} requests to the store`);
    await assertNoSecrets(server, [body]);
  });

  test('that takes connections and never answers is given up in bounded time', async (t) => {
    let asked = 0;
    const address = await listenForStore(t, (incoming) => {
      asked += 1;
      incoming.resume();
    });
    const server = await startLake(t, address, 'silent', [
      'timeout: 1s',
      'max_retries: 1',
      'retry_timeout: 3s',
    ]);
    const { body } = await load(server, '/ingest/s', await rows(0));
    assert.deepEqual([body['code'], body['outcome']], ['BACKEND_UNAVAILABLE', 'retryable']);
    assert.equal((await httpDoor(server).run('list', 's')).code, 'BACKEND_UNAVAILABLE');
    assert.ok(asked < 40, `${asked} requests to the store`);
    assert.equal((await fetch(`${server.url}/health/live`)).status, 200);
  });

  test('whose bucket does not exist says so', async (t) => {
    const server = await startLake(t, endpoint, 'x');
    await server.stop();
    writeFileSync(
      server.configPath,
      readFileSync(server.configPath, 'utf8').replace('s3://lake/', 's3://nowhere/'),
    );
    await server.restart();
    const { body } = await load(server, '/ingest/s', await rows(0));
    assert.equal(body['code'], 'BACKEND_UNAVAILABLE');
    assert.match(String(body['detail']), /bucket/);
  });
});
