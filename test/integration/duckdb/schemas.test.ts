import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { type LogLine, startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { readFile, runScenario } from './scenario.ts';

interface Answer {
  readonly verdict: number | string;
  readonly http: number | null;
  readonly column: string | null;
  readonly detail: string | null;
}

/** Tables that are in the file before the server sees it. */
const beforehand = {
  required: 'CREATE TABLE required (id BIGINT NOT NULL, name VARCHAR)',
  keyed: 'CREATE TABLE keyed (id BIGINT PRIMARY KEY)',
  checked: 'CREATE TABLE checked (n BIGINT CHECK (n > 0))',
  defaulted:
    "CREATE TABLE defaulted (id BIGINT, tag VARCHAR DEFAULT 'none', must INTEGER NOT NULL DEFAULT 7)",
  generated: 'CREATE TABLE generated (a BIGINT, twice BIGINT GENERATED ALWAYS AS (a * 2) VIRTUAL)',
  indexed: 'CREATE TABLE indexed (id BIGINT)',
  index: 'CREATE INDEX by_id ON indexed (id)',
  base: 'CREATE TABLE base (id BIGINT)',
  view: 'CREATE VIEW a_view AS SELECT * FROM base',
  mood: "CREATE TYPE mood AS ENUM ('ok', 'bad')",
  enum: 'CREATE TABLE with_enum (mood mood)',
};
const typesOf = (table: string) =>
  `SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY column_index) FROM duckdb_columns() WHERE table_name = '${table}'`;
const queries = {
  tables: "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name <> '_arrowport'",
  strict: 'SELECT id, name, price, amount::VARCHAR, small, big::VARCHAR FROM strict ORDER BY rowid',
  nulls: 'SELECT COLUMNS(*)::VARCHAR FROM nulls ORDER BY rowid',
  nullTypes: typesOf('nulls_alone'),
  required: 'SELECT id::VARCHAR, name FROM required ORDER BY rowid',
  keyed: 'FROM keyed ORDER BY id',
  checked: 'FROM checked',
  defaulted: 'FROM defaulted',
  generated: 'FROM generated ORDER BY a',
  base: 'SELECT id::VARCHAR FROM base',
  otherSchema: 'FROM other.tab',
  stepTypes: typesOf('merge.steps'),
  steps: 'SELECT COLUMNS(*)::VARCHAR FROM "merge.steps" ORDER BY rowid',
  byCommand: 'FROM by_command ORDER BY n',
  busy: 'SELECT count(*)::INTEGER, count(added_0)::INTEGER, count(added_3)::INTEGER, count(added_7)::INTEGER FROM busy',
  busyTypes: typesOf('busy'),
  outOfOrder:
    'SELECT (SELECT count(*) FROM order_http WHERE n <> rowid) + (SELECT count(*) FROM order_flight WHERE n <> rowid)',
  unfinished: 'FROM _arrowport.pending_tables',
} as const;

const needsPython = { skip: skipWithoutPython };
let answers: Record<string, Answer> = {};
let busy = { appends: [] as unknown[], changes: [] as unknown[] };
let order: unknown;
let mismatches = 0;
let logs: readonly LogLine[] = [];
let file: Record<keyof typeof queries, unknown[][]>;

const verdicts = (...names: string[]) => names.map((name) => answers[name]?.verdict);

before(async (context) => {
  if (skipWithoutPython !== false || !('after' in context)) return;
  const dbPath = join(makeTempFolder(context), 'made.duckdb');
  await readFile({ dbPath }, 'query_tables', [JSON.stringify(beforehand), 'write']);
  const server = await startServer(context, {
    config: `db_path: ${dbPath}
streams:
  "merge.*": {schema_mode: merge}
  merge.busy: {target_table: busy, schema_mode: merge}
  in_schema: {target_table: other.tab}
`,
  });
  const all = await runScenario<Record<string, unknown>>(server, 'schemas_send');
  answers = all as Record<string, Answer>;
  busy = all['busy'] as typeof busy;
  order = all['order'];
  mismatches = Number(all['mismatches']);
  logs = server.logs();
  assert.equal(await server.stop(), 0);
  file = await readFile(server, 'query_tables', [JSON.stringify(queries)]);
});

test('columns are matched by name, in any order and case; absent ones become NULL', needsPython, () => {
  assert.deepEqual(verdicts('first', 'another_order', 'absent', 'other_case', 'dictionary'), [2, 1, 1, 1, 1]);
  assert.deepEqual(file.strict, [
    [1, 'a', 0.5, '1.25', 1, '1'],
    [2, 'b', 1.5, null, 2, '18446744073709551615'],
    [3, 'c', 2.5, '3.50', 3, '0'],
    [4, null, null, null, null, null],
    [5, null, 0.25, '5.75', 255, '5'],
    [6, null, null, null, null, null],
    [7, 'g', null, null, null, null],
    [8, 'h', null, null, null, null],
  ]);
});

test('narrower types load, and columns of nothing but nulls fit every type', needsPython, () => {
  assert.deepEqual(
    verdicts('narrower', 'null_type', 'null_types', 'null_types_merge', 'null_types_alone'),
    [1, 1, 2, 2, 2],
  );
  assert.deepEqual(file.nulls, [
    ['1970-01-01 00:00:00', "['1970-01-01 00:00:00']", null, '{k=1970-01-02}', '[a, b]', 'x', null],
    [null, '[NULL]', "{'a': NULL, 'b': NULL}", '{k=NULL}', '[NULL, NULL]', null, null],
    [null, '[]', null, null, null, null, null],
    [null, '[NULL]', "{'a': NULL, 'b': NULL}", '{k=NULL}', '[NULL, NULL]', null, '1'],
    [null, '[]', null, null, null, null, '2'],
  ]);
  assert.deepEqual(file.nullTypes, [
    ['t INTEGER, l INTEGER[], s STRUCT(b INTEGER), m MAP(VARCHAR, INTEGER), f INTEGER[2], u INTEGER'],
  ]);
});

test('wider and unknown columns are refused, each of them named, and nothing is written', needsPython, () => {
  const { http, column, detail, verdict } = answers['wider'] ?? {};
  assert.deepEqual([verdict, http, column], ['SCHEMA_MISMATCH', 409, 'id']);
  for (const name of ['id', 'name', 'amount', 'small', 'big'])
    assert.match(detail ?? '', new RegExp(`"${name}" is`));
  assert.doesNotMatch(detail ?? '', /price/);
  assert.match(answers['wider_flight']?.detail ?? '', /"id" is VARCHAR, .*"small" is INTEGER/);
  assert.match(answers['unknown_column']?.detail ?? '', /"extra" is not in the table/);
  assert.match(answers['same_but_for_case']?.detail ?? '', /"id" and "ID"/);
  assert.deepEqual(
    verdicts('wider_flight', 'unknown_column', 'same_but_for_case', 'first_refused'),
    Array(4).fill('SCHEMA_MISMATCH'),
  );
});

test('every mismatch is counted, and logged as one warning', needsPython, () => {
  assert.equal(mismatches, 4);
  const warnings = logs.filter(({ level, stream }) => level === 'warn' && stream === 'strict');
  assert.deepEqual(
    warnings.map(({ code }) => code),
    Array(4).fill('SCHEMA_MISMATCH'),
  );
});

test('refused first loads leave no table', needsPython, () => {
  const tables = file.tables.flat();
  assert.equal(tables.includes('main.first_refused'), false);
  assert.ok(tables.includes('main.strict'));
  assert.deepEqual(file.unfinished, []);
});

test('constraints of a table refuse the whole load', needsPython, () => {
  assert.deepEqual(
    verdicts('required_there', 'required_missing', 'required_null', 'key_first', 'key_again'),
    [2, 'SCHEMA_MISMATCH', 'SCHEMA_MISMATCH', 2, 'SCHEMA_MISMATCH'],
  );
  assert.deepEqual(verdicts('key_twice_in_one', 'key_after', 'checked'), [
    'SCHEMA_MISMATCH',
    1,
    'SCHEMA_MISMATCH',
  ]);
  assert.match(answers['required_missing']?.detail ?? '', /"id" is missing and may not be NULL/);
  assert.deepEqual(file.keyed, [
    [1, null],
    [2, null],
    [4, null],
    [5, 'x'],
  ]);
  assert.deepEqual(file.required.slice(0, 2), [
    ['1', 'a'],
    ['2', 'b'],
  ]);
  assert.deepEqual(file.checked, []);
});

test('defaults and computed columns fill themselves, and a view takes no rows', needsPython, () => {
  assert.deepEqual(verdicts('default', 'generated', 'generated_sent', 'view', 'view_merge', 'enum_column'), [
    1,
    2,
    ...Array(4).fill('SCHEMA_MISMATCH'),
  ]);
  assert.deepEqual(file.defaulted, [[1, 'none', 7]]);
  assert.deepEqual(file.generated, [
    [1, 2, null],
    [2, 4, null],
    [5, 10, 'x'],
  ]);
  assert.deepEqual(file.otherSchema, [[1]]);
});

test('merge adds columns and widens types, in structs and lists too', needsPython, () => {
  const steps = Object.keys(answers).filter(
    (name) => name.startsWith('merge_') && !/impossible|truncated|malformed/.test(name),
  );
  assert.ok(steps.length > 12);
  assert.deepEqual(verdicts(...steps), Array(steps.length).fill(1));
  assert.deepEqual(file.stepTypes, [
    [
      'n HUGEINT, u BIGINT, d DECIMAL(12,2), f DOUBLE, s STRUCT(a INTEGER, b VARCHAR), extra VARCHAR, more BIGINT[], nothing INTEGER',
    ],
  ]);
  const column = (index: number) => file.steps.map((row) => row[index]).filter((value) => value !== null);
  assert.deepEqual(column(0), ['1', '1099511627776', '3', '18446744073709551615']);
  assert.deepEqual(
    [column(1), column(2), column(3)],
    [
      ['1', '-1'],
      ['1.00', '4.25'],
      ['0.5', '0.1'],
    ],
  );
  assert.deepEqual(column(4), ["{'a': 1, 'b': NULL}", "{'a': 1048576, 'b': y}", "{'a': NULL, 'b': z}"]);
  assert.deepEqual(column(6), ['[1]', '[1099511627776, NULL]', '[]']);
  assert.deepEqual(file.byCommand, [
    [1, null],
    [1099511627776, 1],
  ]);
});

test('a merge that is refused or breaks off leaves the columns as they were', needsPython, () => {
  assert.deepEqual(verdicts('merge_impossible', 'merge_truncated', 'merge_malformed'), [
    'SCHEMA_MISMATCH',
    'IPC_TRUNCATED',
    'IPC_MALFORMED',
  ]);
  assert.doesNotMatch(String(file.stepTypes), /fresh|late/);
});

test('a merge adds to tables with keys, but where a column cannot change it says so', needsPython, () => {
  assert.deepEqual(
    verdicts('key_added_column', 'indexed_added', 'generated_added', 'required_wider', 'viewed_wider'),
    Array(5).fill(1),
  );
  assert.deepEqual(
    verdicts('key_wider', 'indexed_wider', 'generated_wider'),
    Array(3).fill('SCHEMA_MISMATCH'),
  );
  assert.match(answers['indexed_wider']?.detail ?? '', /an index depends on it/);
  assert.deepEqual(
    [file.base, file.required.at(-1)],
    [[['18446744073709551615']], ['18446744073709551615', null]],
  );
});

test(
  'columns are added and widened while four producers append, with no error and exact counts',
  needsPython,
  () => {
    assert.ok(busy.appends.length >= 8);
    assert.deepEqual(busy.appends, Array(busy.appends.length).fill(500));
    assert.deepEqual(busy.changes, Array(8).fill(100));
    assert.deepEqual(file.busy, [[1 + busy.appends.length * 500 + 800, 200, 200, 100]]);
    assert.match(String(file.busyTypes), /^id BIGINT, added_0 INTEGER,.*added_7 TINYINT$/);
  },
);

test('rows keep their order within a load', needsPython, () => {
  assert.deepEqual(order, { http: 400_000, flight: 400_000 });
  assert.deepEqual(file.outOfOrder, [[0]]);
});
