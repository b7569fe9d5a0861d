import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArrowportError } from '../../../src/errors.ts';
import { createAdmission } from '../../../src/ingest/admission.ts';
import {
  createMemoryBackend,
  createRecorder,
  dictionaryBatch,
  ingestorOf,
  recordBatch,
  requestOf,
  routerOf,
} from './memory-backend.ts';

test('a load is one transaction, and its receipt has its figures', async () => {
  const backend = createMemoryBackend();
  const { ingestor, names, events } = ingestorOf(backend, {
    router: routerOf({ s: { target_table: 'a.b' } }),
  });
  const batches = [recordBatch(10, 1000), recordBatch(5, 500)];
  const receipt = await ingestor.ingest(requestOf([dictionaryBatch(0n), ...batches]));
  assert.deepEqual(
    { ...receipt, commit_id: '', duration_ms: 0 },
    {
      status: 'success',
      stream: 's',
      table: 'a.b',
      storage_backend: 'duckdb',
      rows_processed: 15,
      batches: 2,
      bytes: 1510,
      commit_id: '',
      version: null,
      replayed: false,
      duration_ms: 0,
      message: '15 rows committed to a.b',
    },
  );
  assert.match(receipt.commit_id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(Math.round(receipt.duration_ms * 10), receipt.duration_ms * 10);
  assert.deepEqual(names(), [
    'streamOpened',
    'batchReceived',
    'batchReceived',
    'loadCommitted',
    'streamClosed',
  ]);
  const identities = events.filter(({ name }) => name !== 'inflightBytes').map(({ args }) => args[0]);
  assert.equal(new Set(identities).size, 1);
  const received = events.filter(({ name }) => name === 'batchReceived').map(({ args }) => args[1]);
  assert.deepEqual(received, [
    { rows: 10, bytesReceived: 1010 },
    { rows: 5, bytesReceived: 500 },
  ]);
});

test('one row is one row', async () => {
  const { ingestor } = ingestorOf(createMemoryBackend());
  const { message } = await ingestor.ingest(requestOf([recordBatch(1)]));
  assert.equal(message, '1 row committed to s');
});

test('a stream with no batches begins and commits, and acknowledges zero rows', async () => {
  const backend = createMemoryBackend();
  const receipt = await ingestorOf(backend).ingestor.ingest(requestOf([]));
  assert.equal(receipt.rows_processed, 0);
  assert.equal(receipt.message, '0 rows committed to s');
  assert.deepEqual(
    backend.transactions.map(({ state }) => state),
    ['committed'],
  );
});

test('a bad name is refused before anything is opened', async () => {
  const { ingestor, names, events } = ingestorOf(createMemoryBackend());
  let opened = false;
  const request = requestOf([], { stream: '../x' });
  const watched = {
    ...request,
    open: () => {
      opened = true;
      throw new Error('opened');
    },
  };
  await assert.rejects(ingestor.ingest(watched), { code: 'STREAM_NAME_INVALID' });
  assert.equal(opened, false);
  assert.deepEqual(names(), ['requestFailed']);
  assert.deepEqual(events[0]?.args[0], { requestId: 'r1', transport: 'flight', stream: '../x' });
});

test('options that a DuckDB table does not have are refused', async () => {
  const backend = createMemoryBackend();
  const { ingestor } = ingestorOf(backend);
  for (const changes of [{ mode: 'merge' }, { schemaMode: 'overwrite' }, { partitionBy: ['a'] }] as const) {
    await assert.rejects(ingestor.ingest(requestOf([], changes)), { code: 'OPTION_INVALID' });
  }
  await ingestor.ingest(requestOf([], { partitionBy: [], mode: 'overwrite', idempotencyKey: 'k' }));
  assert.deepEqual(backend.transactions[0]?.request.options, {
    mode: 'overwrite',
    schemaMode: 'strict',
    partitionBy: [],
    idempotencyKey: 'k',
  });
});

test('an expected table must be the one of the route; without a route it is the table', async () => {
  const backend = createMemoryBackend();
  const { ingestor } = ingestorOf(backend, { router: routerOf({ s: { target_table: 't' } }) });
  await ingestor.ingest(requestOf([], { tableHint: 't' }));
  await assert.rejects(ingestor.ingest(requestOf([], { tableHint: 'other' })), {
    code: 'OPTION_INVALID',
    message: /routed to t, not to other/,
  });
  const receipt = await ingestor.ingest(requestOf([], { stream: 'free', tableHint: 'wanted' }));
  assert.equal(receipt.stream, 'free');
  assert.equal(receipt.table, 'wanted');
  await assert.rejects(ingestor.ingest(requestOf([], { stream: 'free', tableHint: 'a b' })), {
    code: 'STREAM_NAME_INVALID',
  });
});

test('a load keeps the route it began with', async () => {
  const router = routerOf({ s: { target_table: 'before' } });
  const { ingestor } = ingestorOf(createMemoryBackend(), { router });
  const swap = () => router.swap(routerOf({ s: { target_table: 'after' } }).current());
  const first = await ingestor.ingest(requestOf([recordBatch(1), swap, recordBatch(1)]));
  assert.equal(first.table, 'before');
  assert.equal((await ingestor.ingest(requestOf([]))).table, 'after');
});

for (const [where, hooks] of Object.entries({
  begin: { onBegin: () => Promise.reject(new ArrowportError('SCHEMA_MISMATCH', 'no')) },
  write: { onWrite: () => Promise.reject(new ArrowportError('SCHEMA_MISMATCH', 'no')) },
  commit: { onCommit: () => Promise.reject(new ArrowportError('SCHEMA_MISMATCH', 'no')) },
})) {
  test(`a failed ${where} aborts the transaction, stops the stream and is told once`, async () => {
    const backend = createMemoryBackend(hooks);
    const { ingestor, names } = ingestorOf(backend);
    let stopped = false;
    const batch = recordBatch(1);
    const request = requestOf([batch], {});
    const opened = await request.open({} as never);
    async function* watched() {
      try {
        yield* opened.messages;
      } finally {
        stopped = true;
      }
    }
    const open = async () => {
      const messages = watched();
      const iterator = { next: () => messages.next(), return: () => messages.return(undefined) };
      return {
        ...opened,
        messages: {
          [Symbol.asyncIterator]: () => ({
            ...iterator,
            return: async () => {
              stopped = true;
              return iterator.return();
            },
          }),
        },
      };
    };
    await assert.rejects(ingestor.ingest({ ...request, open }), { code: 'SCHEMA_MISMATCH' });
    assert.equal(backend.open(), 0);
    assert.equal(stopped, true);
    assert.equal(names().filter((name) => name === 'loadFailed').length, 1);
    assert.equal(names().at(-1), 'streamClosed');
    if (where !== 'begin') assert.equal(batch.released(), 1);
  });
}

test('a stream that cannot be opened leaves no transaction', async () => {
  const backend = createMemoryBackend();
  const { ingestor, names } = ingestorOf(backend);
  const open = () => Promise.reject(new ArrowportError('IPC_MALFORMED', 'no Arrow'));
  await assert.rejects(ingestor.ingest(requestOf([], { open })), { code: 'IPC_MALFORMED' });
  assert.equal(backend.transactions.length, 0);
  assert.deepEqual(names(), ['streamOpened', 'loadFailed', 'streamClosed']);
});

test('what is thrown and is no error of the table becomes INTERNAL, its text kept from the client', async () => {
  const { ingestor } = ingestorOf(
    createMemoryBackend({ onWrite: () => Promise.reject(new Error('secret')) }),
  );
  await assert.rejects(ingestor.ingest(requestOf([recordBatch(1)])), (error: ArrowportError) => {
    assert.equal(error.code, 'INTERNAL');
    assert.doesNotMatch(error.message, /secret/);
    return error.cause instanceof Error && error.cause.message === 'secret';
  });
});

test('a client that leaves before the commit gets nothing committed', async () => {
  const controller = new AbortController();
  const gone = new ArrowportError('CANCELLED', 'gone');
  const backend = createMemoryBackend();
  const { ingestor } = ingestorOf(backend);
  const leave = () => controller.abort(gone);
  await assert.rejects(
    ingestor.ingest(requestOf([recordBatch(1), leave], { signal: controller.signal })),
    gone,
  );
  assert.deepEqual(
    backend.transactions.map(({ state }) => state),
    ['aborted'],
  );
});

test('a message that comes after the client has left is released and not written', async () => {
  const controller = new AbortController();
  const backend = createMemoryBackend();
  const { ingestor } = ingestorOf(backend);
  const late = recordBatch(1);
  const leave = () => controller.abort(new ArrowportError('CANCELLED', 'gone'));
  const request = requestOf([recordBatch(1), leave, late], { signal: controller.signal });
  await assert.rejects(ingestor.ingest(request), { code: 'CANCELLED' });
  assert.equal(late.released(), 1);
  assert.equal(backend.transactions[0]?.messages.length, 1);
});

test('a commit of other rows than were sent is told as unknown', async () => {
  const { ingestor } = ingestorOf(createMemoryBackend({ onCommit: async () => ({ rows: 3 }) }));
  await assert.rejects(ingestor.ingest(requestOf([recordBatch(2)])), { code: 'COMMIT_UNKNOWN' });
});

test('a replayed commit is answered with the figures of the first', async () => {
  const replay = { commitId: '01FIRST', batches: 7, bytes: 700, durationMs: 12.34 };
  const { ingestor } = ingestorOf(createMemoryBackend({ onCommit: async () => ({ rows: 70, replay }) }));
  const receipt = await ingestor.ingest(requestOf([recordBatch(2)], { idempotencyKey: 'k' }));
  assert.equal(receipt.replayed, true);
  assert.deepEqual(
    [receipt.rows_processed, receipt.batches, receipt.bytes, receipt.commit_id, receipt.duration_ms],
    [70, 7, 700, '01FIRST', 12.3],
  );
});

test('a place is given back however a load ends', async () => {
  const { observer } = createRecorder();
  const admission = createAdmission({ maxStreams: 1, maxInflightBytes: 1000, observer, beginWaitMs: 50 });
  const { ingestor } = ingestorOf(createMemoryBackend(), { admission });
  await assert.rejects(ingestor.ingest(requestOf([], { mode: 'merge' })), { code: 'OPTION_INVALID' });
  const open = () => Promise.reject(new Error('broken'));
  await assert.rejects(ingestor.ingest(requestOf([], { open })), { code: 'INTERNAL' });
  await ingestor.ingest(requestOf([]));
  await ingestor.ingest(requestOf([]));
});

test('loads that gather and all wait for memory hand on what they hold, and all finish', async () => {
  const { observer } = createRecorder();
  const admission = createAdmission({ maxStreams: 8, maxInflightBytes: 1000, observer });
  const backend = createMemoryBackend({ gathers: true });
  const { ingestor } = ingestorOf(backend, { admission });
  const load = (stream: string) =>
    ingestor.ingest(
      requestOf([], {
        stream,
        open: async ({ allocator }) => ({
          schema: { fields: [], metadata: new Map() },
          schemaMetadata: new Uint8Array(0),
          messages: (async function* () {
            for (let index = 0; index < 20; index++) {
              const lease = await allocator.allocate(150);
              await sleep(Math.random() * 2);
              yield { ...recordBatch(1).message, release: () => lease.release() };
            }
          })(),
        }),
      }),
    );
  const receipts = await Promise.all(Array.from({ length: 8 }, (_, index) => load(`s${index}`)));
  assert.deepEqual(
    receipts.map(({ rows_processed }) => rows_processed),
    Array(8).fill(20),
  );
});
