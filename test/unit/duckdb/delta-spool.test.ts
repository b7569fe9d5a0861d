import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeltaSpool } from '../../../src/backends/duckdb/delta-spool.ts';
import type { DeltaSource } from '../../../src/core/delta-source.ts';
import { patienceMs } from '../../support/patience.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const minutes = 60_000;

test('a spooled file stays while a statement reads it, goes when idle, and is written again when asked for', async (t) => {
  const folder = makeTempFolder(t);
  let written = 0;
  const source: Pick<DeltaSource, 'writeParquet'> = {
    writeParquet: async (_table, _rows, path) => {
      written += 1;
      writeFileSync(path, 'rows');
    },
  };
  t.mock.timers.enable({ apis: ['Date'] });
  const spool = new DeltaSpool();
  const find = (table: string) =>
    spool.find(source, { table, id: 'id', version: 1, rows: 'all' }, folder, { requestId: 'test' });
  const gone = async (path: string, withinMs: number) => {
    const end = performance.now() + withinMs;
    while (existsSync(path) && performance.now() < end) await sleep(5);
    return !existsSync(path);
  };

  const first = find('a');
  const path = await first.path;
  t.mock.timers.tick(60 * minutes);
  find('b').letGo();
  assert.equal(await gone(path, 100), false, 'a statement still reads it');
  first.letGo();

  t.mock.timers.tick(14 * minutes);
  const second = find('a');
  assert.equal(await second.path, path);
  second.letGo();
  assert.equal(written, 2);

  t.mock.timers.tick(16 * minutes);
  find('b').letGo();
  assert.equal(await gone(path, patienceMs), true);
  const third = find('a');
  assert.notEqual(await third.path, path);
  assert.ok(existsSync(await third.path));
  assert.equal(written, 4);
});
