import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoadStream } from '../../../src/backends/delta/worker-client.ts';
import { WorkerWay } from '../../../src/backends/delta/worker-way.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { deltaRoute, openBytes } from './delta-support.ts';

/** What reached the worker, frame by frame; it has no arena, so columns come with their bytes. */
async function load(bytes: Uint8Array, adopts = true): Promise<{ sent: string[]; held: number }> {
  const sent: string[] = [];
  const stream: LoadStream = {
    plan: async () => {},
    send: async () => void sent.push('bytes'),
    openArena: async () => null,
    sendBatch: async (header, parts) => {
      const total = parts.reduce((sum, part) => sum + part.byteLength, 0);
      assert.equal(total % 64, 0);
      sent.push(`columns ${JSON.stringify(header['rows'])}`);
    },
    stage: async () => '',
    finish: async () => ({}),
    abort: async () => {},
  };
  const opened = await openBytes(bytes);
  let held = 0;
  const way = new WorkerWay({
    stream,
    request: {
      route: deltaRoute('t'),
      schema: opened.schema,
      schemaMetadata: opened.schemaMetadata,
      options: { mode: 'append', schemaMode: 'strict', partitionBy: null, idempotencyKey: null },
      requestId: 'test',
    },
    partitionBy: [],
    limits: { maxMessageBytes: 2 ** 28, maxDecompressedRatio: 200 },
    adopts,
  });
  for await (const message of opened.messages) {
    held += 1;
    await way.write({
      ...message,
      release() {
        held -= 1;
        message.release();
      },
    });
  }
  await way.finish({});
  return { sent, held };
}

const rows = (n: number, more = '') => `x = np.random.default_rng(1).random(${n})
table = pa.table({'a': x, 'b': x${more}})`;

describe('the form in which rows reach the Delta worker', { skip: skipWithoutPython }, () => {
  it('is decoded columns for a large load, whose every batch is released', async () => {
    for (const codec of [{}, { codec: 'zstd' }] as const) {
      const { sent, held } = await load(await arrowBytes(rows(700_000), { batchRows: 100_000, ...codec }));
      assert.deepEqual(sent, ['bytes', ...new Array<string>(7).fill('columns 100000')]);
      assert.equal(held, 0);
    }
  });

  it('is the bytes of the stream for small loads and small batches, for dictionaries and views, and where it must be', async () => {
    const texts = "np.repeat('text', 700_000)";
    for (const [source, batchRows, adopts] of [
      [rows(100_000), 50_000, true],
      [rows(700_000), 1000, true],
      [rows(700_000, `, 'd': pa.array(${texts}).dictionary_encode()`), 100_000, true],
      [rows(700_000, `, 'v': pa.array(${texts}, pa.string_view())`), 100_000, true],
      [rows(700_000), 100_000, false],
    ] as const) {
      const { sent, held } = await load(await arrowBytes(source, { batchRows }), adopts);
      assert.deepEqual([...new Set(sent)], ['bytes']);
      assert.equal(held, 0);
    }
  });
});
