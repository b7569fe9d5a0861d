import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { runPythonJson } from '../../support/python.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import {
  beginLoad,
  collect,
  loadBytes,
  startDeltaBackend,
  type TestBackend,
  withParquetWriter,
} from './delta-support.ts';
import { skipWithoutObjectStore, startObjectStore } from './object-store.ts';
import { compareWithSent } from './python-readers.ts';
import { startTroubledStore } from './store-proxy.ts';

const accessKey = 'AKIAVERYSECRETKEYID0';
const secretKey = 'wJalrXUtnFEMIveryK7MDENGbPxRfiCYSECRETKEY';
const context = { requestId: 'test' };

const skip = await skipWithoutObjectStore();
const endpoint = skip === false ? await startObjectStore({ after }) : '';

describe('Delta tables in an object store', { skip }, () => {
  const scratch = makeTempFolder({ after });

  const options = (address: string) => ({
    endpoint: address,
    region: 'us-east-1',
    access_key_id: accessKey,
    secret_access_key: secretKey,
    allow_http: 'true',
    path_style_access: 'true',
  });
  const start = (owner: CleanupOwner, prefix: string, address = endpoint): TestBackend =>
    startDeltaBackend(owner, { tablePath: `s3://lake/${prefix}`, storageOptions: options(address) });
  /** A backend whose loads DuckDB may write, and the folder that it writes to. */
  const startWithDuckDb = (
    owner: CleanupOwner,
    prefix: string,
    address: string,
    more: Readonly<Record<string, string>> = {},
  ) => {
    const spool = makeTempFolder(owner);
    const started = startDeltaBackend(owner, {
      tablePath: `s3://lake/${prefix}`,
      storageOptions: { ...options(address), ...more },
      spoolFolder: spool,
      ...withParquetWriter(),
    });
    return { ...started, spool };
  };
  const readerOptions = (address: string) => ({
    AWS_ENDPOINT_URL: address,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    AWS_ALLOW_HTTP: 'true',
  });

  it('are written small and staged, listed, read and kept free of credentials', async (t) => {
    const { backend, log } = start(t, 'basic');
    const small = await arrowBytes(`table = pa.table({'id': [1, 2, 3], 'v': [0.5, 1.5, 2.5]})`);
    const large = await arrowBytes(
      `table = pa.table({'id': pa.array(range(10, 3_000_010)), 'v': np.random.default_rng(1).normal(size=3_000_000)})`,
      { batchRows: 100_000 },
    );
    await loadBytes(backend, 'one', small);
    await loadBytes(backend, 'one', small, { idempotencyKey: 'k' });
    assert.notEqual((await loadBytes(backend, 'one', small, { idempotencyKey: 'k' })).replay, null);
    const table = await backend.tables.info('one', context);
    assert.equal(table.row_count, 6);
    await loadBytes(backend, 'two', large, { delta: { targetFileSize: 8_000_000 } });
    const seen = await compareWithSent(
      scratch,
      's3://lake/basic/two',
      [large],
      'id',
      readerOptions(endpoint),
    );
    assert.deepEqual([seen.differing, seen.rows], [[], 3_000_000]);
    const names = (await backend.tables.list(context)).map(({ name, rows }) => [name, rows]);
    assert.deepEqual(names, [
      ['one', 6],
      ['two', 3_000_000],
    ]);
    const rows = await backend.tables.read('one', { filter: 'id = 2', format: 'csv' }, context);
    assert.equal((await collect(rows.bytes)).toString().trim().split('\n').length, 3);
    assertNoSecrets(log);
  });

  it('are written by many at once, nothing lost', async (t) => {
    const { backend } = start(t, 'many');
    const bytes = await arrowBytes(`table = pa.table({'id': [1]})`);
    await loadBytes(backend, 'shared', bytes);
    await Promise.all(
      Array.from({ length: 12 }, (_, n) => loadBytes(backend, 'shared', bytes, { idempotencyKey: `${n}` })),
    );
    assert.equal((await backend.tables.info('shared', context)).row_count, 13);
  });

  it('survive a store that answers 503 now and then', async (t) => {
    const address = await startTroubledStore(t, endpoint, every(5));
    const { backend } = start(t, 'flaky', address);
    const bytes = await arrowBytes(`table = pa.table({'id': [1]})`);
    for (let n = 0; n < 10; n++) await loadBytes(backend, 'shaky', bytes, { idempotencyKey: `${n}` });
    assert.equal((await backend.tables.info('shaky', context)).row_count, 10);
  });

  it('take files that DuckDB writes, into partitions too, and lose no row to 503s', async (t) => {
    const address = await startTroubledStore(t, endpoint, every(4));
    const { backend, spool, log } = startWithDuckDb(t, 'files', address);
    const bytes = await arrowBytes(
      `n = 800_000
table = pa.table({'id': pa.array(range(n), pa.int64()), 'p': pa.array(['a b', 'ü/%', None, 'x'] * (n // 4)), 'v': np.random.default_rng(1).normal(size=n)})`,
      { batchRows: 100_000, codec: 'zstd' },
    );
    for (const partitionBy of [[], ['p']]) {
      const table = `by_${partitionBy.length}`;
      const delta = { writer: 'duckdb', partitionBy, targetFileSize: 3_000_000 } as const;
      const first = await loadBytes(backend, table, bytes, { delta, idempotencyKey: 'a' });
      const again = await loadBytes(backend, table, bytes, { delta, idempotencyKey: 'a' });
      assert.deepEqual([first.version, again.version, again.replay?.commitId], [0, 0, first.commitId]);
      await loadBytes(backend, table, bytes, { delta, mode: 'overwrite' });
      const uri = `s3://lake/files/${table}`;
      const seen = await compareWithSent(scratch, uri, [bytes], 'id', readerOptions(endpoint));
      assert.deepEqual([seen.differing, seen.rows], [[], 800_000]);
      const writers = await runPythonJson(writersOfStore, [uri, JSON.stringify(readerOptions(endpoint))]);
      assert.deepEqual(writers, ['DuckDB']);
    }
    assert.deepEqual(readdirSync(spool), []);
    assertNoSecrets(log);
  });

  it('keep nothing of files that the store would not take, nor of loads that are broken off', async (t) => {
    let refusing = true;
    const meddle = (_: number, method: string, path: string) =>
      refusing && method !== 'GET' && path.includes('.parquet') ? 'refuse' : 'pass';
    const address = await startTroubledStore(t, endpoint, meddle, { isStubborn: true });
    const { backend, spool } = startWithDuckDb(t, 'refused', address, {
      max_retries: '1',
      retry_timeout: '1s',
    });
    const bytes = await arrowBytes(`table = pa.table({'id': np.arange(200_000)})`, { batchRows: 50_000 });
    const delta = { writer: 'duckdb' } as const;
    await assert.rejects(
      loadBytes(backend, 'lost', bytes, { delta }),
      (error) => error instanceof ArrowportError && error.code === 'BACKEND_UNAVAILABLE',
    );
    const { load, messages } = await beginLoad(backend, 'lost', bytes, { delta });
    for await (const message of messages) {
      await load.write(message);
      load.flush?.();
    }
    await load.abort();
    assert.deepEqual(readdirSync(spool), []);
    refusing = false;
    assert.deepEqual(await runPythonJson(keysOfStore, [endpoint, 'refused/']), []);
    assert.equal((await loadBytes(backend, 'lost', bytes, { delta })).version, 0);
    assert.equal((await backend.tables.info('lost', context)).row_count, 200_000);
  });

  it('are unavailable, in our words, when nobody answers', async (t) => {
    const { backend, log } = startDeltaBackend(t, {
      tablePath: 's3://lake/nowhere',
      storageOptions: {
        ...options('http://127.0.0.1:9'),
        max_retries: '1',
        retry_timeout: '1s',
        connect_timeout: '1s',
      },
    });
    await assert.rejects(
      loadBytes(backend, 'lost', await arrowBytes(`table = pa.table({'id': [1]})`)),
      (error: unknown) => {
        assert.ok(error instanceof ArrowportError);
        assert.equal(error.code, 'BACKEND_UNAVAILABLE');
        assert.ok(!/127\.0\.0\.1|AKIA|s3:/.test(error.message), error.message);
        return true;
      },
    );
    assertNoSecrets(log);
  });
});

function assertNoSecrets(log: readonly unknown[]): void {
  const text = JSON.stringify(log);
  assert.ok(!text.includes(accessKey) && !text.includes(secretKey), text);
}

/** What wrote the files of a table in the store. */
const writersOfStore = `
import io, json, sys, obstore, pyarrow.parquet as pq
from obstore.store import from_url
from deltalake import DeltaTable
from urllib.parse import unquote
uri, options = sys.argv[1], json.loads(sys.argv[2])
store = from_url(uri, config={'aws_endpoint_url': options['AWS_ENDPOINT_URL'], 'aws_region': 'us-east-1', 'aws_access_key_id': 'a', 'aws_secret_access_key': 'b', 'aws_virtual_hosted_style_request': 'false'}, client_options={'allow_http': True})
paths = DeltaTable(uri, storage_options=options).get_add_actions(flatten=True).column('path').to_pylist()
read = lambda p: pq.read_metadata(io.BytesIO(obstore.get(store, unquote(p)).bytes()))
print(json.dumps(sorted({read(p).created_by.split(' ')[0] for p in paths})))
`;

/** The keys of the store below a prefix. */
const keysOfStore = `
import boto3, json, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id='a', aws_secret_access_key='b', region_name='us-east-1')
print(json.dumps([o['Key'] for o in s3.list_objects_v2(Bucket='lake', Prefix=sys.argv[2]).get('Contents', [])]))
`;

/** Every so many requests are refused. */
const every = (nth: number) => (count: number) => (count % nth === 0 ? 'refuse' : 'pass');
