import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { readFile, runScenario } from './scenario.ts';

/** Rows, or the code of a refusal with its column and text. */
type Verdict = readonly [verdict: number | string, column: string | null, detail: string | null];

/** What is sent but cannot be held exactly, with the type that the refusal must name. */
const refused: Readonly<Record<string, string>> = {
  instants_ns_inexact: 'timestamp[ns, tz=UTC]',
  instants_far: 'timestamp[s, tz=UTC]',
  dates_not_whole: 'date64[ms]',
  extreme_times: 'time64[us]',
  durations_ns: 'duration[ns]',
  intervals_ns: 'month_day_nano_interval',
  decimal_over_32: 'decimal32(4, 2)',
  decimal_over_64: 'decimal64(12, 2)',
  decimal_over_128: 'decimal128(4, 2)',
  decimal_over_38: 'decimal128(38, 2)',
  decimal_over_256: 'decimal256(38, 2)',
  decimal_negative_scale: 'decimal128(5, -2)',
  decimal_in_list_over: 'decimal128(4, 2)',
  map_repeated_key: 'map<',
  struct_without_fields: 'struct<>',
  struct_field_case: 'struct<a: int8, A: int8>',
  fixed_of_none: 'fixed_size_list<item: int8>[0]',
};
const columnTypes: Readonly<Record<string, string>> = {
  'half_http.c': 'FLOAT',
  'uuid_http.c': 'UUID',
  'bool8_http.c': 'BOOLEAN',
  'nulls_http.c': 'INTEGER',
  'string_views_http.c': 'VARCHAR',
  'integers_http.uint64': 'UBIGINT',
  'decimals_http.d38_10': 'DECIMAL(38,10)',
  'decimals_http.d38_5': 'DECIMAL(38,5)',
  'instants_http.ms_Europe/Oslo': 'TIMESTAMP WITH TIME ZONE',
  'timestamps_http.ns': 'TIMESTAMP_NS',
  'durations_http.s': 'INTERVAL',
  'dictionary_nulls_http.c': 'VARCHAR',
  'dictionary_timestamps_http.c': 'TIMESTAMP',
  'dictionary_in_struct_http.c': 'STRUCT(d VARCHAR, n BIGINT)',
  'run_ends_http.c': 'VARCHAR',
  'lists_http.fixed': 'INTEGER[2]',
  'maps_http.c': 'MAP(VARCHAR, BIGINT)',
  'polars_stream_zstd.cat': 'VARCHAR',
  'polars_stream_zstd.enum': 'VARCHAR',
};

test('every kind of type lands value for value as a proper type of DuckDB, or is refused naming column and type', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t);
  const own = makeTempFolder(t);
  const answers = await runScenario<Record<string, Verdict>>(server, 'types_send', [own]);
  assert.equal(await server.stop(), 0);
  const { differences, types } = await readFile<{
    differences: Record<string, string[]>;
    types: Record<string, string>;
  }>(server, 'types_compare', [own]);

  await t.test('refusals are those of what DuckDB cannot hold, the same at both doors', () => {
    const found = Object.entries(answers).filter(([, [verdict]]) => typeof verdict === 'string');
    const expected = [...Object.keys(refused), 'no_columns'].flatMap((name) => [
      `${name}_http`,
      `${name}_flight`,
    ]);
    assert.deepEqual(found.map(([name]) => name).sort(), expected.sort());
    for (const [name, [code, column, detail]] of found) {
      const type = refused[name.replace(/_(http|flight)$/, '')];
      if (type === undefined) assert.equal(code, 'SCHEMA_MISMATCH');
      else assert.deepEqual([name, code, column?.replace(/\..*/, '')], [name, 'TYPE_UNSUPPORTED', 'c']);
      assert.ok(detail?.includes(type ?? 'no columns'), `${name}: ${detail}`);
    }
  });

  await t.test('all else is in the file, value for value, and a refused first load leaves no table', () => {
    const loaded = Object.entries(answers).filter(([, [verdict]]) => typeof verdict === 'number');
    assert.deepEqual(Object.keys(differences).sort(), loaded.map(([name]) => name).sort());
    assert.deepEqual(
      Object.entries(differences).filter(([, found]) => found.length > 0),
      [],
    );
  });

  await t.test('columns have the types that belong to them', () => {
    const found = Object.fromEntries(Object.keys(columnTypes).map((column) => [column, types[column]]));
    assert.deepEqual(found, columnTypes);
  });

  await t.test('a stream without batches makes the empty table and acknowledges no rows', () => {
    for (const name of ['no_batches', 'empty_batches'])
      for (const door of ['http', 'flight']) assert.equal(answers[`${name}_${door}`]?.[0], 0);
    assert.deepEqual([types['no_batches_http.id'], types['no_batches_flight.s']], ['BIGINT', 'VARCHAR']);
  });
});
