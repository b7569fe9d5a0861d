import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { loadBytes, startDeltaBackend } from './delta-support.ts';
import { askTable } from './python-readers.ts';

const context = { requestId: 'test' };

describe('Small Delta loads at the same time', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });
  const row = (n: number) => arrowBytes(`table = pa.table({'n': [${n}], 'part': ['p %2F${n % 2}']})`);

  it('share files and commits, and each has its own receipt and key', async () => {
    const bodies = await Promise.all(Array.from({ length: 16 }, (_, n) => row(n)));
    await loadBytes(backend, 'shared', await row(100), { partitionBy: ['part'] });
    const load = (n: number) =>
      loadBytes(backend, 'shared', bodies[n] ?? new Uint8Array(), { idempotencyKey: `key-${n}` });
    const first = await Promise.all(bodies.map((_, n) => load(n)));
    const versions = new Set(first.map(({ version }) => version));
    assert.ok(versions.size < 14, `${versions.size} commits`);
    assert.equal(new Set(first.map(({ commitId }) => commitId)).size, 16);
    for (const n of [0, 7, 15]) {
      const again = await load(n);
      assert.equal(again.replay?.commitId, first[n]?.commitId);
      assert.deepEqual([again.rows, again.version], [1, first[n]?.version]);
    }
    await assert.rejects(
      loadBytes(backend, 'shared', bodies[3] ?? new Uint8Array(), {
        idempotencyKey: 'key-3',
        stream: 'other',
      }),
      (error: unknown) => error instanceof ArrowportError && error.code === 'IDEMPOTENCY_CONFLICT',
    );
    const seen = await askTable(
      join(root, 'shared'),
      `answer = [sorted(r['n'] for r in rows), sorted(set(r['part'] for r in rows)),
  t.to_pyarrow_table(filters=[('part', '=', 'p %2F1')]).num_rows]`,
    );
    assert.deepEqual(seen, [[...bodies.keys(), 100], ['p %2F0', 'p %2F1'], 8]);
    assert.ok(!readdirSync(join(root, 'shared')).includes('_arrowport'));
  });

  it('with the same key are written once', async () => {
    await loadBytes(backend, 'same', await row(0));
    const body = await row(1);
    const results = await Promise.all(
      Array.from({ length: 12 }, () => loadBytes(backend, 'same', body, { idempotencyKey: 'k' })),
    );
    assert.equal(results.filter(({ replay }) => (replay ?? null) === null).length, 1);
    assert.equal(new Set(results.map(({ commitId }) => commitId)).size, 1);
    assert.equal((await backend.tables.info('same', context)).row_count, 2);
  });

  it('fail alone when one of them cannot be read', async () => {
    const good = await arrowBytes(`table = pa.table({'s': ['x' * 500] * 100})`, { codec: 'zstd' });
    const bad = Buffer.from(good);
    const magic = bad.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
    assert.ok(magic > 0);
    bad.fill(0xff, magic, magic + 4);
    await loadBytes(backend, 'alone', good);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 16 }, (_, n) => loadBytes(backend, 'alone', n % 8 === 5 ? bad : good)),
    );
    const failed = outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [n] : []));
    assert.deepEqual(failed, [5, 13]);
    assert.equal((await backend.tables.info('alone', context)).row_count, 1500);
    assert.ok(!readdirSync(join(root, 'alone')).includes('_arrowport'));
  });

  it('do not keep changes, replacements and upkeep from being committed', async () => {
    const bytes = await row(1);
    await loadBytes(backend, 'busy', bytes);
    let going = true;
    let appended = 1;
    const appending = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (going) {
          await loadBytes(backend, 'busy', bytes);
          appended += 1;
        }
      }),
    );
    for (let n = 0; n < 2; n++) {
      await loadBytes(backend, 'busy', await row(1000 + n));
      await backend.tables.delete('busy', { predicate: `n = ${1000 + n}` }, context);
      await backend.tables.update('busy', { updates: { part: "'x'" }, predicate: 'n = 1' }, context);
      await backend.tables.optimize('busy', {}, context);
      await backend.tables.zOrder('busy', { columns: ['n'] }, context);
      await loadBytes(backend, 'busy', await row(5), {
        mode: 'merge',
        merge: { on: ['n'], whenMatched: 'update', whenNotMatched: 'insert' },
      });
    }
    going = false;
    await appending;
    assert.equal((await backend.tables.info('busy', context)).row_count, appended + 1);
  });

  it('are unavailable while the log is broken, and go on when it is whole again', async () => {
    await loadBytes(backend, 'broken', await row(0));
    await loadBytes(backend, 'broken', await row(1));
    const next = join(root, 'broken', '_delta_log', '00000000000000000002.json');
    for (const text of ['{"add":', '[]']) {
      writeFileSync(next, text);
      await assert.rejects(loadBytes(backend, 'broken', await row(2)), (error: unknown) => {
        assert.ok(error instanceof ArrowportError && error.code === 'BACKEND_UNAVAILABLE', String(error));
        return true;
      });
    }
    rmSync(next);
    assert.equal((await loadBytes(backend, 'broken', await row(3))).version, 2);
    assert.equal((await backend.tables.info('broken', context)).row_count, 3);
  });

  it('go to tables as they are when another tool has changed them', async () => {
    const uri = join(root, 'changed');
    await loadBytes(backend, 'changed', await row(0));
    await loadBytes(backend, 'changed', await row(1));
    await askTable(
      uri,
      `from deltalake import Field, Schema
t.alter.add_columns([Field('extra', 'long')])
answer = 0`,
    );
    await loadBytes(backend, 'changed', await arrowBytes(`table = pa.table({'n': [2], 'extra': [5]})`));
    await askTable(uri, `t.delete('n = 0')\nt.optimize.compact()\nanswer = 0`);
    await loadBytes(backend, 'changed', await row(3));
    const seen = await askTable(uri, `answer = sorted((r['n'], r['extra']) for r in rows if r['n'] != 1)`);
    assert.deepEqual(seen, [
      [2, 5],
      [3, null],
    ]);
  });
});
