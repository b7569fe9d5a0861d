import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { readFile, runScenario } from './scenario.ts';

/** Streams with the `target_table` of their route, and the schema and name of the table that must hold their rows. */
const routes: Readonly<Record<string, readonly [target: string, schema: string, table: string]>> = {
  keyword: ['order', 'main', 'order'],
  dash: ['my-table', 'main', 'my-table'],
  verb: ['select', 'main', 'select'],
  quote: ['"a""b"', 'main', 'a"b'],
  injection: ['x; DROP TABLE victim', 'main', 'x; DROP TABLE victim'],
  apostrophe: ["it's; --", 'main', "it's; --"],
  spaces: ['weird name ü', 'main', 'weird name ü'],
  split: ['schema.table', 'schema', 'table'],
  quoted: ['"a.b"."c.d"', 'a.b', 'c.d'],
  main: ['main.plain', 'main', 'plain'],
};
/** Streams without a route. */
const unrouted = ['a.b', 'victim', '1-2', '_x', 'main.x', 'TABLE'];

test('any name of a table or column is an identifier and never SQL', {
  skip: skipWithoutPython,
}, async (t) => {
  const streams = Object.entries(routes).map(
    ([stream, [target]]) => `  ${stream}: {target_table: ${JSON.stringify(target)}}\n`,
  );
  const server = await startServer(t, { config: `streams:\n${streams.join('')}` });
  const sent = [...unrouted, ...Object.keys(routes)];
  const { answers, columns } = await runScenario<{
    answers: Record<string, unknown[]>;
    columns: string[];
  }>(server, 'identifiers_send', [JSON.stringify(sent)]);
  const listed = (await (await fetch(`${server.url}/streams/injection`)).json()) as Record<string, unknown>;
  assert.equal(listed['row_count'], 5);
  assert.equal(await server.stop(), 0);

  await t.test('every load is taken', () => {
    for (const stream of sent) assert.deepEqual([stream, answers[stream]], [stream, [2, 1, 2]]);
    assert.deepEqual(
      [answers['nested'], answers['widened'], answers['rowid']],
      [
        [1, 1],
        [2, 1],
        [1, 1],
      ],
    );
  });
  await t.test('a column without a name, or with NUL in it, is refused', () => {
    assert.deepEqual([answers['no_name'], answers['nul']], [['SCHEMA_MISMATCH'], ['SCHEMA_MISMATCH']]);
  });
  const file = await readFile<Record<keyof typeof queries, unknown[][]>>(server, 'query_tables', [
    JSON.stringify(queries),
  ]);
  await t.test('every table is where its name says, with its rows, and no other is there', () => {
    const expected: [string, string, number][] = [
      ...Object.values(routes).map(([, schema, table]): [string, string, number] => [schema, table, 5]),
      ...unrouted.map((stream): [string, string, number] => ['main', stream, 5]),
      ['main', 'nested', 2],
      ['main', 'rowid', 2],
      ['main', 'widened', 3],
    ];
    const byName = (a: unknown[], b: unknown[]) => (String(a) < String(b) ? -1 : 1);
    assert.deepEqual([...file.tables].sort(byName), expected.sort(byName));
  });
  await t.test('columns keep their names and their values', () => {
    assert.deepEqual(file.columns, [[columns]]);
    const values = columns.map((_, index) => index);
    const none = columns.map(() => null);
    assert.deepEqual(file.values, [values, none, values, values, none]);
    assert.deepEqual(file.widened.at(-1), [...columns.map(() => 2 ** 64), 1]);
  });
  await t.test('fields of structs keep their names, their order and their values', () => {
    const [[type] = []] = file.nestedType;
    assert.match(
      String(type),
      /"x; DROP TABLE victim; --" BIGINT, .*"10" BIGINT, "2" BIGINT, __proto__ BIGINT/,
    );
    const names = [...columns, '10', '2', '__proto__'];
    for (const [struct] of file.nested) {
      const found = Object.entries(struct as Record<string, number>);
      assert.deepEqual(
        found.sort(([, a], [, b]) => a - b),
        names.map((name, index) => [name, index]),
      );
    }
  });
});

const queries = {
  tables: `SELECT schema_name, table_name, estimated_size::INTEGER FROM duckdb_tables()
    WHERE schema_name <> '_arrowport'`,
  columns: `SELECT list(column_name ORDER BY column_index) FROM duckdb_columns() WHERE table_name = 'a"b'`,
  values: 'SELECT * FROM "a""b" ORDER BY rowid',
  widened: 'SELECT * FROM widened ORDER BY rowid',
  nested: 'FROM nested',
  nestedType: "SELECT data_type FROM duckdb_columns() WHERE table_name = 'nested'",
};
