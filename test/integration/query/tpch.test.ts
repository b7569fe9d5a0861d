import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

interface Answer {
  readonly names: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

const folder = join(repositoryRoot, 'test', 'integration', 'query');

/** Sums of floating point numbers differ in their last digits with the order that threads add them in. */
function rounded({ names, rows }: Answer): Answer {
  const round = (value: string | null) =>
    value !== null && /^-?\d+\.\d{9,}(e[+-]?\d+)?$/.test(value) ? Number(value).toPrecision(10) : value;
  return { names, rows: rows.map((row) => row.map(round)) };
}

test('the queries of TPC-H answer over HTTP and ADBC what DuckDB answers', {
  skip: skipWithoutPython,
}, async (t) => {
  const path = join(makeTempFolder(t), 'tpch.duckdb');
  const expected = await runPythonJson<(Answer & { sql: string })[]>(join(folder, 'tpch_expect.py'), [
    path,
    '0.1',
  ]);
  assert.equal(expected.length, 22);
  const server = await startServer(t, { config: `db_path: ${path}\n` });
  const answers = await runPythonJson<{ http: Answer; adbc: Answer }[]>(
    join(folder, 'tpch_ask.py'),
    [server.url, server.flightUrl],
    { input: JSON.stringify(expected.map(({ sql }) => sql)) },
  );
  for (const [index, { sql, names, rows }] of expected.entries()) {
    const answer = answers[index];
    assert.ok(rows.length > 0 || /having|exists/i.test(sql), sql);
    assert.deepEqual(answer && rounded(answer.http), rounded({ names, rows }), sql);
    assert.deepEqual(answer && rounded(answer.adbc), rounded({ names, rows }), sql);
  }
});
