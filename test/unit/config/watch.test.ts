import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WatchConfigOptions, watchConfig } from '../../../src/config/watch.ts';
import { patienceMs, waitFor } from '../../support/patience.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

/** How long each report was waited for, in tenths of a second. */
const waits: number[] = [];

after(() => {
  // A machine that has no time makes any of them late, but hardly all.
  assert.ok(waits.length === 0 || Math.min(...waits) <= 10, `tenths of a second: ${waits}`);
});

/** Watches files with the shipped interval and counts what is reported. */
function startWatch(context: TestContext, files: readonly string[], options?: WatchConfigOptions) {
  let reports = 0;
  let wake = () => {};
  const watch = watchConfig(
    () => files,
    () => {
      reports += 1;
      wake();
    },
    options,
  );
  context.after(() => watch.close());
  return {
    watch,
    reports: () => reports,
    /** Makes a change and asserts that it is reported once. */
    async expectReport(change: () => void) {
      const before = reports;
      const reported = new Promise<void>((resolve) => {
        wake = resolve;
      });
      change();
      // Where the machine leaves this process no time, these ticks come late like the looks of the watch.
      let ticks = 0;
      const ticker = setInterval(() => {
        ticks += 1;
      }, 100);
      await Promise.race([reported, sleep(patienceMs, undefined, { ref: false })]);
      clearInterval(ticker);
      assert.equal(reports, before + 1, 'the change was not reported');
      waits.push(ticks);
      await sleep(600);
      assert.equal(reports, before + 1, 'the change was reported more than once');
    },
  };
}

test('writes, atomic renames, deletes and re-creations are reported once, and within a second where there is time', async (context) => {
  const folder = makeTempFolder(context);
  const file = join(folder, 'arrowport.yaml');
  writeFileSync(file, 'port: 1');
  const { expectReport } = startWatch(context, [file]);
  await expectReport(() => writeFileSync(file, 'port: 2'));
  await expectReport(() => {
    writeFileSync(join(folder, 'new'), 'port: 3');
    renameSync(join(folder, 'new'), file);
  });
  await expectReport(() => rmSync(file));
  await expectReport(() => writeFileSync(file, 'port: 3'));
});

test('the swap of a ConfigMap is reported', async (context) => {
  const folder = makeTempFolder(context);
  const publish = (version: string, text: string) => {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'arrowport.yaml'), text);
    symlinkSync(version, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  publish('..2026_01', 'port: 1');
  symlinkSync(join('..data', 'arrowport.yaml'), join(folder, 'arrowport.yaml'));
  const { expectReport } = startWatch(context, [join(folder, 'arrowport.yaml')]);
  await expectReport(() => publish('..2026_02', 'port: 2'));
});

test('a swap to a file of the same bytes and times is reported, for it is another file', async (context) => {
  const folder = makeTempFolder(context);
  for (const name of ['a', 'b']) writeFileSync(join(folder, name), 'port: 1');
  const file = join(folder, 'arrowport.yaml');
  symlinkSync('a', file);
  const { expectReport } = startWatch(context, [file]);
  await expectReport(() => {
    symlinkSync('b', join(folder, 'link'));
    renameSync(join(folder, 'link'), file);
  });
});

test('a file that is still being written is waited for', async (context) => {
  const file = join(makeTempFolder(context), 'arrowport.yaml');
  writeFileSync(file, '');
  const { reports } = startWatch(context, [file], { intervalMs: 100 });
  for (let part = 0; part < 15; part++) {
    writeFileSync(file, 'x'.repeat(part + 1));
    await sleep(40);
  }
  assert.equal(reports(), 0);
  await waitFor('a report', () => reports() > 0);
  await sleep(300);
  assert.equal(reports(), 1);
});

test('each of several files is watched, one that appears later too', async (context) => {
  const folder = makeTempFolder(context);
  const [main, streams] = [join(folder, 'arrowport.yaml'), join(folder, 'streams.yaml')];
  writeFileSync(main, '');
  const { expectReport } = startWatch(context, [main, streams]);
  await expectReport(() => writeFileSync(streams, 'streams: {}'));
  await expectReport(() => writeFileSync(main, 'port: 1'));
});

test('a change between the reading of the file and the watch is reported', async (context) => {
  const file = join(makeTempFolder(context), 'arrowport.yaml');
  writeFileSync(file, 'port: 1');
  await sleep(50);
  const since = Date.now();
  writeFileSync(file, 'port: 2');
  const { expectReport } = startWatch(context, [file], { since });
  await expectReport(() => {});
});

test('a file that did not change since it was read is not reported', async (context) => {
  const file = join(makeTempFolder(context), 'arrowport.yaml');
  writeFileSync(file, 'port: 1');
  await sleep(50);
  const { reports } = startWatch(context, [file], { since: Date.now(), intervalMs: 50 });
  await sleep(300);
  assert.equal(reports(), 0);
});

test('nothing is reported after the watch was closed', async (context) => {
  const file = join(makeTempFolder(context), 'arrowport.yaml');
  writeFileSync(file, 'port: 1');
  const { watch, reports } = startWatch(context, [file], { intervalMs: 50 });
  writeFileSync(file, 'port: 2');
  await sleep(60);
  watch.close();
  await sleep(200);
  assert.equal(reports(), 0);
});
