import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runPython, runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { runCli } from './run-cli.ts';

const makeFirst = `
import datetime, pyarrow as pa, pyarrow.feather as feather
table = pa.table({'code': ['007'], 'level': pa.array([0.5], pa.float64()), 'count': pa.array([1], pa.int16()), 'at': pa.array([datetime.datetime(2026, 1, 1)], pa.timestamp('us', 'UTC'))})
feather.write_feather(table, 'first.arrow')
`;

const configs = {
  duckdb: '',
  delta: 'streams: {t: {storage_backend: delta, target_table: t}}\n',
};

const lines = '{"code": 9, "level": 4, "at": "2026-01-03T00:00:00Z"}\n';
const array = '[\n  {"code": 10,\n   "level": 5}\n]\n';

for (const [backend, config] of Object.entries(configs)) {
  test(`CSV, NDJSON and JSON arrays are read as what the ${backend} table holds`, {
    skip: skipWithoutPython,
  }, async (t) => {
    const server = await startServer(t, { config });
    const cwd = server.folder;
    assert.equal((await runPython(makeFirst, [], { cwd })).code, 0);
    writeFileSync(join(cwd, 'a.csv'), 'level,code,count,at\n2,008,3,2026-01-02T00:00:00Z\n');
    writeFileSync(join(cwd, 'b.ndjson'), lines);
    for (const [file, input] of [['first.arrow'], ['a.csv'], ['b.ndjson'], ['-', array]] as const) {
      const { code, stderr } = await runCli(['ingest', 't', file, '--url', server.url], {
        cwd,
        ...(input === undefined ? {} : { input }),
      });
      assert.equal(code, 0, stderr);
    }
    const { code, stderr } = await runCli(['streams', 't', '--json', '--url', server.url], { cwd });
    assert.equal(code, 0, stderr);
    await server.stop();
    const read =
      backend === 'duckdb'
        ? `import duckdb, sys; rows = duckdb.connect(${JSON.stringify(server.dbPath)}, read_only=True).sql("select code, level, count from t order by level").fetchall()`
        : 'import deltalake; t = deltalake.DeltaTable("delta_tables/t").to_pyarrow_table().to_pylist(); rows = sorted(((r["code"], r["level"], r["count"]) for r in t), key=lambda r: r[1])';
    const rows = await runPythonJson(`${read}\nimport json; print(json.dumps(rows))`, [], { cwd });
    assert.deepEqual(rows, [
      ['007', 0.5, 1],
      ['008', 2, 3],
      ['9', 4, null],
      ['10', 5, null],
    ]);
  });
}

test('text that is not what the table holds is refused before anything is sent', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t);
  const cwd = makeTempFolder(t);
  writeFileSync(join(cwd, 'a.csv'), 'n\n1\n');
  writeFileSync(join(cwd, 'b.csv'), 'n\nmany\n');
  assert.equal((await runCli(['ingest', 't', 'a.csv', '--url', server.url], { cwd })).code, 0);
  const { code, stderr } = await runCli(['ingest', 't', 'b.csv', '--url', server.url], { cwd });
  assert.equal(code, 1);
  assert.match(stderr, /^error: b\.csv cannot be read: .*many.*\n$/s);
});
