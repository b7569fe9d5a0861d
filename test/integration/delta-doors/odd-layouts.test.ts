import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  frameMetadata,
} from '../../../src/arrow/stream-writer.ts';
import type { BodyCodec } from '../../../src/core/ipc-message.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { arrayOf, field } from '../../unit/arrow/stream-fixtures.ts';
import { askTable } from '../delta/python-readers.ts';
import { commit, createCleanups, type DeltaServer, load, startDeltaServer } from './delta-server.ts';

const texts = field('texts', { kind: 'utf8' });

/** A stream of two texts whose offsets are followed by so many bytes that the metadata counts among them. */
async function streamOf(extraBytes: number, codec: BodyCodec | null): Promise<Buffer> {
  const offsets = new Uint8Array(12 + extraBytes);
  offsets.set([0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
  const column = arrayOf(texts, 2, 0, [null, offsets, Buffer.from('abc')]);
  const { metadata, body } = await encodeRecordBatchMessage([column], 2, { codec, level: 3 });
  const schema = encodeSchemaMessage({ fields: [texts], metadata: new Map() });
  return Buffer.concat([frameMetadata(schema), frameMetadata(metadata), body]);
}

describe('streams that are laid out oddly, into Delta tables', { skip: skipWithoutPython }, () => {
  let server: DeltaServer;
  const cleanups = createCleanups();
  before(async () => {
    server = await startDeltaServer(cleanups);
  });
  after(() => cleanups.run());

  test('maps whose parts have names of their own are loaded, beside others and inside lists', async () => {
    const source = (key: string, value: string) => `
kind = pa.map_(pa.field("${key}", pa.string(), nullable=False), pa.field("${value}", pa.int32()))
table = pa.table({"m": pa.array([[("a", 1), ("b", None)], None, []], kind),
                  "l": pa.array([[[("c", 3)]], [], None], pa.list_(kind))})`;
    await commit(server, '/delta/maps', await arrowBytes(source('some_key', 'some_value')));
    await commit(server, '/delta/maps', await arrowBytes(source('key', 'value')));
    await commit(server, '/delta/maps?mode=overwrite', await arrowBytes(source('k', 'v')));
    await commit(server, '/delta/maps', await arrowBytes(source('value', 'key')));
    const rows = await askTable(server.tablePath('maps'), 'answer = [[r["m"], r["l"]] for r in rows]');
    const one = [
      [
        [
          ['a', 1],
          ['b', null],
        ],
        [[['c', 3]]],
      ],
      [null, []],
      [[], null],
    ];
    assert.deepEqual(rows, [...one, ...one]);
  });

  test('a name or time zone that holds a NUL is refused before the worker hears of it', async () => {
    const zoned = (timezone: string) => ({ kind: 'timestamp', unit: 'microsecond', timezone }) as const;
    const item = field('it\u0000em', { kind: 'bool' });
    for (const [odd, code] of [
      [field('at', zoned('UTC\u0000')), 'IPC_MALFORMED'],
      [field('list', { kind: 'list' }, [field('at', zoned('U\u0000\u0000'))]), 'IPC_MALFORMED'],
      [field('list', { kind: 'list' }, [item]), 'SCHEMA_MISMATCH'],
      [field('na\u0000me', { kind: 'bool' }), 'SCHEMA_MISMATCH'],
    ] as const) {
      const schema = encodeSchemaMessage({ fields: [odd], metadata: new Map() });
      const { body } = await load(server, '/delta/zeros', frameMetadata(schema));
      assert.deepEqual([body['code'], body['column']], [code, odd.name]);
    }
    const schema = encodeSchemaMessage({ fields: [field('at', zoned('UTC'))], metadata: new Map() });
    await commit(server, '/delta/zeros', frameMetadata(schema));
  });

  test('a buffer that ends within a value is refused, and the worker lives on', async () => {
    await commit(server, '/delta/parts', await streamOf(4, null));
    const restarts = /^arrowport_worker_restarts_total (\d+)$/m;
    const before = restarts.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];
    for (const codec of [null, 'zstd'] as const) {
      const { status, body } = await load(server, '/delta/parts', await streamOf(2, codec));
      assert.deepEqual([status, body['code'], body['column']], [400, 'IPC_MALFORMED', 'texts']);
    }
    await commit(server, '/delta/parts', await streamOf(0, 'zstd'));
    assert.deepEqual(await askTable(server.tablePath('parts'), 'answer = [r["texts"] for r in rows]'), [
      'a',
      'bc',
      'a',
      'bc',
    ]);
    assert.equal(restarts.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1], before);
  });
});
