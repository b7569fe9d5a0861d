import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { loadBytes, startDeltaBackend } from './delta-support.ts';
import { askTable } from './python-readers.ts';

const mutations = 60;
const allowed: ReadonlySet<ErrorCode> = new Set([
  ...(['IPC_MALFORMED', 'IPC_TRUNCATED', 'SCHEMA_MISMATCH', 'TYPE_UNSUPPORTED'] as const),
  ...(['BODY_TOO_LARGE', 'DECOMPRESSED_TOO_LARGE', 'CODEC_UNSUPPORTED', 'OPTION_INVALID'] as const),
]);

const source = `table = pa.table({
  's': ['x' * 50 + str(i) for i in range(100)],
  'd': pa.array(['a', 'b'] * 50).dictionary_encode(),
  'l': [[1, 2]] * 100,
  'v': pa.array(['a view that is long enough %d' % i for i in range(100)], pa.string_view()),
  'm': pa.array([[('a', 1)]] * 100, pa.map_(pa.string(), pa.int64())),
  'st': [{'a': 1, 'b': 'x'}] * 100})`;

async function codeOf(attempt: Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await attempt;
    return null;
  } catch (error) {
    if (error instanceof ArrowportError) return error.code;
    throw error;
  }
}

describe('Bytes that are no Arrow', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });

  for (const codec of [undefined, 'zstd', 'lz4'] as const) {
    it(`are refused and do not end the worker, ${codec ?? 'uncompressed'}`, async () => {
      const good = await arrowBytes(source, codec === undefined ? {} : { codec });
      const table = `mutated_${codec ?? 'plain'}`;
      await loadBytes(backend, table, good);
      const pid = backend.workerPid;
      let seed = 7;
      const draw = (below: number) => {
        seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
        return (seed >> 8) % below;
      };
      const codes = new Set<ErrorCode | null>();
      for (let round = 0; round < mutations; round++) {
        const bad = Buffer.from(good);
        for (let count = 1 + draw(4); count > 0; count--) bad[200 + draw(bad.length - 200)] = draw(256);
        codes.add(await codeOf(loadBytes(backend, table, bad)));
      }
      codes.delete(null);
      assert.deepEqual(
        [...codes].filter((code) => code !== null && !allowed.has(code)),
        [],
      );
      assert.ok(codes.has('IPC_MALFORMED'));
      assert.equal(backend.workerPid, pid);
    });
  }

  it('are kept within the limits of messages', async () => {
    const { backend: small } = startDeltaBackend(
      { after },
      { limits: () => ({ maxMessageBytes: 2 ** 16, maxDecompressedRatio: 10 }) },
    );
    const bomb = await arrowBytes(`table = pa.table({'z': pa.array(np.zeros(1_000_000))})`, {
      codec: 'zstd',
    });
    assert.equal(await codeOf(loadBytes(small, 'bomb', bomb)), 'DECOMPRESSED_TOO_LARGE');
  });

  it('and values that Delta cannot hold exactly are refused whole', async () => {
    const halfDays = 'pa.Array.from_buffers(pa.date64(), 2, [None, pa.py_buffer(np.array([0, 43_200_000]))])';
    const cases = {
      half_days: halfDays,
      half_days_in_lists: `pa.ListArray.from_arrays([0, 1, 2], ${halfDays})`,
      late_seconds: `pa.array([2 ** 62], pa.timestamp('s'))`,
      late_milliseconds: `pa.array([-(2 ** 62)], pa.timestamp('ms', 'UTC'))`,
    };
    for (const [name, array] of Object.entries(cases)) {
      const bytes = await arrowBytes(`table = pa.table({'c': ${array}})`);
      assert.equal(await codeOf(loadBytes(backend, name, bytes)), 'TYPE_UNSUPPORTED', name);
    }
    assert.deepEqual(
      readdirSync(root).filter((entry) => entry in cases),
      [],
    );
    const exact = await arrowBytes(
      `table = pa.table({'d': pa.array([0, None, 86_400_000 * 3], pa.date64()), 't': pa.array([1, None, -5], pa.timestamp('s'))})`,
    );
    await loadBytes(backend, 'exact', exact);
    assert.deepEqual(
      await askTable(join(root, 'exact'), `answer = [[str(r['d']), str(r['t'])] for r in rows]`),
      [
        ['1970-01-01', '1970-01-01 00:00:01'],
        ['None', 'None'],
        ['1970-01-04', '1969-12-31 23:59:55'],
      ],
    );
  });
});
