import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { waitFor } from '../../support/patience.ts';
import {
  createMemoryBackend,
  dictionaryBatch,
  ingestorOf,
  type MemoryLoadHooks,
  recordBatch,
  requestOf,
  routerOf,
} from './memory-backend.ts';

function splitter(commit: object, hooks: MemoryLoadHooks = {}) {
  const backend = createMemoryBackend(hooks);
  const { ingestor, names } = ingestorOf(backend, { router: routerOf({ s: { commit } }) });
  const partial: CommitReceipt[] = [];
  const onPartialCommit = async (receipt: CommitReceipt) => {
    partial.push(receipt);
  };
  const run = (messages: Parameters<typeof requestOf>[0], changes: Parameters<typeof requestOf>[1] = {}) =>
    ingestor.ingest(requestOf(messages, { onPartialCommit, ...changes }));
  return { backend, partial, run, names };
}

const figures = (receipt: CommitReceipt | undefined) =>
  receipt && [receipt.rows_processed, receipt.batches, receipt.rows_total, receipt.batches_total];

test('a split load has a receipt for each part, with its own figures and the totals', async () => {
  const { backend, partial, run, names } = splitter({ rows: 10 });
  const last = await run([recordBatch(6), recordBatch(6), recordBatch(20), recordBatch(3)]);
  assert.deepEqual(partial.map(figures), [
    [12, 2, 12, 2],
    [20, 1, 32, 3],
  ]);
  assert.deepEqual(figures(last), [3, 1, 35, 4]);
  assert.equal(new Set([...partial, last].map(({ commit_id }) => commit_id)).size, 3);
  assert.deepEqual(
    backend.transactions.map(({ state, rows }) => [state, rows]),
    [
      ['committed', 12],
      ['committed', 20],
      ['committed', 3],
    ],
  );
  assert.equal(names().filter((name) => name === 'loadCommitted').length, 3);
});

test('bytes split as well', async () => {
  const { partial, run } = splitter({ bytes: 150 });
  await run([recordBatch(1, 100), recordBatch(1, 100), recordBatch(1, 100)]);
  assert.deepEqual(partial.map(figures), [[2, 2, 2, 2]]);
});

test('a stream that ends at a split ends with a receipt of no rows and the totals, without another transaction', async () => {
  const { backend, partial, run } = splitter({ rows: 1 });
  const last = await run([recordBatch(5), recordBatch(6)]);
  assert.equal(partial.length, 2);
  assert.deepEqual(figures(last), [0, 0, 11, 2]);
  assert.equal(last.commit_id, partial[1]?.commit_id);
  assert.equal(backend.transactions.length, 2);
});

test('over HTTP, where there is one answer, a load is not split', async () => {
  const backend = createMemoryBackend();
  const { ingestor } = ingestorOf(backend, { router: routerOf({ s: { commit: { rows: 1 } } }) });
  const receipt = await ingestor.ingest(requestOf([recordBatch(5), recordBatch(6)], { transport: 'http' }));
  assert.equal(receipt.rows_processed, 11);
  assert.equal('rows_total' in receipt, false);
  assert.equal(backend.transactions.length, 1);
});

test('time splits also while the producer is silent, and only when something was sent', async () => {
  const { backend, partial, run } = splitter({ interval_ms: 30 });
  const silence = () => sleep(150);
  const last = await run([silence, recordBatch(1), silence, recordBatch(2)]);
  assert.deepEqual(partial.map(figures), [[1, 1, 1, 1]]);
  assert.deepEqual(figures(last), [2, 1, 3, 2]);
  assert.equal(backend.transactions.length, 2);
});

test('a further part knows the dictionaries of the stream, each in its latest state', async () => {
  const { backend, run } = splitter({ rows: 1 });
  const [inner, old, delta, renewed] = [
    dictionaryBatch(1n),
    dictionaryBatch(2n),
    dictionaryBatch(2n, true),
    dictionaryBatch(1n),
  ];
  const kinds = (index: number) =>
    backend.transactions[index]?.messages.map((message) =>
      message.kind === 'record-batch' ? 'rows' : `${message.id}${message.isDelta ? '+' : ''}`,
    );
  const last = await run([inner, old, recordBatch(1), delta, renewed, recordBatch(1), recordBatch(1)]);
  assert.deepEqual(kinds(0), ['1', '2', 'rows']);
  assert.deepEqual(kinds(1), ['1', '2', '2+', 'rows']);
  assert.deepEqual(kinds(2), ['1', '2', '2+', 'rows']);
  assert.equal(last.rows_total, 3);
  for (const { released } of [inner, old, delta, renewed]) assert.equal(released(), 1);
});

test('an overwriting load replaces with its first part and appends the others', async () => {
  const { backend, run } = splitter({ rows: 1 });
  await run([recordBatch(1), recordBatch(1)], { mode: 'overwrite' });
  assert.deepEqual(
    backend.transactions.map(({ request }) => request.options.mode),
    ['overwrite', 'append'],
  );
});

test('an error behind a commit says what is durable, and keeps its code', async () => {
  const { backend, run } = splitter({ rows: 10 });
  const fail = () => {
    throw new ArrowportError('IPC_MALFORMED', 'Broken.', { details: { column: 'x' } });
  };
  await assert.rejects(run([recordBatch(10), recordBatch(4), fail]), {
    code: 'IPC_MALFORMED',
    message: 'Broken. Of this stream 10 rows in 1 batches are durable.',
    details: { column: 'x' },
  });
  assert.deepEqual(
    backend.transactions.map(({ state }) => state),
    ['committed', 'aborted'],
  );
});

test('a timed commit that fails while the producer is silent ends the load at once', async () => {
  const { run } = splitter(
    { interval_ms: 20 },
    { onCommit: () => Promise.reject(new ArrowportError('BACKEND_UNAVAILABLE', 'gone')) },
  );
  const late = recordBatch(1);
  const silence = Promise.withResolvers<void>();
  await assert.rejects(run([recordBatch(1), () => silence.promise, late]), { code: 'BACKEND_UNAVAILABLE' });
  silence.resolve();
  await waitFor('what came too late given back', () => late.released() === 1);
});
