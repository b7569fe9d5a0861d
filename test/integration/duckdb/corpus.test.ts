import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corpusFolder, skipWithoutCorpus } from '../../support/corpus.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { readFile, runScenario } from './scenario.ts';

interface Answer {
  readonly code?: string;
  readonly column?: string;
  readonly detail?: string;
}

/** What DuckDB cannot hold exactly, with the column that the refusal of the whole stream names. */
const refused: Readonly<Record<string, readonly [code: string, column: string, type: string]>> = {
  'cpp-21.0.0.datetime': ['TYPE_UNSUPPORTED', 'f14', 'timestamp[ns, tz=US/Pacific]'],
  'cpp-21.0.0.decimal256': ['TYPE_UNSUPPORTED', 'f2', 'decimal256(39, 5)'],
  'cpp-21.0.0.duration': ['TYPE_UNSUPPORTED', 'f4', 'duration[ns]'],
  'cpp-21.0.0.interval_mdn': ['TYPE_UNSUPPORTED', 'f1', 'month_day_nano_interval'],
  'cpp-21.0.0.duplicate_fieldnames': ['SCHEMA_MISMATCH', 'ints', ''],
};
const refusedColumns = [
  'datetime.f14',
  ...Array.from({ length: 31 }, (_, index) => `decimal256.f${index + 2}`),
  ...['f1', 'f2', 'f4'].map((column) => `duration.${column}`),
  'interval_mdn.f1',
].map((name) => `cpp-21.0.0.${name}`);
const doors = ['http', 'flight', 'file'];

test('every stream and file of the gold corpus loads as PyArrow reads it, or is refused naming column and type', {
  skip: skipWithoutPython || skipWithoutCorpus,
}, async (t) => {
  const server = await startServer(t);
  const own = makeTempFolder(t);
  type Answers = Readonly<Record<string, Answer>>;
  const { answers, columns } = await runScenario<{ answers: Answers; columns: Answers }>(
    server,
    'corpus_send',
    [corpusFolder, own],
  );
  assert.equal(await server.stop(), 0);
  assert.ok(Object.keys(answers).length > 100);

  await t.test('whole streams are refused only for what is known, on both doors alike', () => {
    const found = Object.entries(answers).filter(([, { code }]) => code !== undefined);
    const expected = Object.keys(refused).flatMap((name) => doors.map((door) => `${name}.${door}`));
    assert.deepEqual(found.map(([name]) => name).sort(), expected.sort());
    for (const [name, { code, column, detail }] of found) {
      const [expectedCode, expectedColumn, type] = refused[name.replace(/\.\w+$/, '')] ?? [];
      assert.deepEqual([name, code, column], [name, expectedCode, expectedColumn]);
      assert.ok(detail?.includes(type ?? ''), detail);
    }
  });

  await t.test('of the refused streams, all other columns load by themselves', () => {
    const found = Object.entries(columns).filter(([, { code }]) => code !== undefined);
    assert.deepEqual(found.map(([name]) => name).sort(), [...refusedColumns].sort());
    for (const [name, { code, column }] of found)
      assert.deepEqual([code, column], ['TYPE_UNSUPPORTED', name.split('.').at(-1)]);
  });

  await t.test(
    'everything else is in the file, value for value, and nothing of what was refused',
    async () => {
      const loaded = Object.entries({ ...answers, ...columns }).filter(([, { code }]) => code === undefined);
      const differences = await readFile<Record<string, string[]>>(server, 'corpus_compare', [
        corpusFolder,
        own,
      ]);
      assert.deepEqual(Object.keys(differences).sort(), loaded.map(([name]) => name).sort());
      assert.deepEqual(
        Object.entries(differences).filter(([, found]) => found.length > 0),
        [],
      );
    },
  );
});
