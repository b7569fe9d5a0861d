import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

const prelude = `
import datetime as dt
from decimal import Decimal
connection = dbapi.connect(url, autocommit=True)
def bind(array, sql='select ? as v'):
    with connection.cursor() as cursor:
        cursor.execute(sql, pa.table({'1': array}))
        column = cursor.fetch_arrow_table().column(0)
        return [str(column.type), str(column.to_pylist())]
def raw(type, value):
    width = type.bit_width // 8
    return pa.Array.from_buffers(type, 1, [None, pa.py_buffer(int(value).to_bytes(width, 'little', signed=True))])
`;

test('values of every type that DuckDB has bind as what they are', { skip }, async (t) => {
  const server = await startServer(t);
  const cases: readonly (readonly [array: string, type: string, values: string])[] = [
    [
      "pa.array([Decimal('12.34'), None], pa.decimal128(10, 2))",
      'decimal128(10, 2)',
      "[Decimal('12.34'), None]",
    ],
    ["pa.array([Decimal('12.34')], pa.decimal256(60, 2))", 'decimal128(38, 2)', "[Decimal('12.34')]"],
    ["pa.array([Decimal('1.5')], pa.decimal32(3, 1))", 'decimal128(3, 1)', "[Decimal('1.5')]"],
    ['pa.array([2**64 - 1, 0], pa.uint64())', 'uint64', '[18446744073709551615, 0]'],
    ['pa.array([-128], pa.int8())', 'int8', '[-128]'],
    ['pa.array([1.5], pa.float16())', 'float', '[1.5]'],
    [
      "pa.array([dt.datetime(2020, 1, 1)], pa.timestamp('us'))",
      'timestamp[us]',
      '[datetime.datetime(2020, 1, 1, 0, 0)]',
    ],
    [
      "raw(pa.timestamp('s', 'Europe/Berlin'), 0).cast(pa.timestamp('us', 'Europe/Berlin'))",
      'timestamp[us, tz=Etc/UTC]',
      "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=zoneinfo.ZoneInfo(key='Etc/UTC'))]",
    ],
    ['pa.array([dt.date(2020, 1, 1)])', 'date32[day]', '[datetime.date(2020, 1, 1)]'],
    ['pa.array([dt.time(1, 2, 3)])', 'time64[us]', '[datetime.time(1, 2, 3)]'],
    [
      'pa.array([pa.MonthDayNano([1, 2, 3000])])',
      'month_day_nano_interval',
      '[MonthDayNano(months=1, days=2, nanoseconds=3000)]',
    ],
    [
      "pa.array([5], pa.duration('s'))",
      'month_day_nano_interval',
      '[MonthDayNano(months=0, days=0, nanoseconds=5000000000)]',
    ],
    ['pa.array([[1, None], [], None])', 'list<l: int64>', '[[1, None], [], None]'],
    [
      "pa.array([{'a': 1, 'b': [{'c': 'x'}]}])",
      'struct<a: int64, b: list<l: struct<c: string>>>',
      "[{'a': 1, 'b': [{'c': 'x'}]}]",
    ],
    [
      "pa.array([[('k', 1)]], pa.map_(pa.string(), pa.int64()))",
      "map<string, int64 ('key')>",
      "[[('k', 1)]]",
    ],
    ["pa.array([b'\\x00\\xff'], pa.binary(2))", 'binary', "[b'\\x00\\xff']"],
    ["pa.array(['a', 'b', 'a']).dictionary_encode()", 'string', "['a', 'b', 'a']"],
    ["pa.array(['a' * 20], pa.string_view())", 'string', "['aaaaaaaaaaaaaaaaaaaa']"],
    ["pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(['r']))", 'string', "['r', 'r']"],
    ["pa.array(['a', None, 'b'])", 'string', "['a', None, 'b']"],
    ["pa.array([None, {'a': 1}])", 'struct<a: int64>', "[None, {'a': 1}]"],
    ["pa.array([None], pa.timestamp('us', 'UTC'))", 'timestamp[us, tz=Etc/UTC]', '[None]'],
    ['pa.nulls(1)', 'int32', '[None]'],
  ];
  const steps = await runSteps(
    server.flightUrl,
    prelude + cases.map(([array], index) => `step('${index}', lambda: bind(${array}))`).join('\n'),
  );
  cases.forEach(([array, type, values], index) => {
    const [foundType, found] = steps.value(String(index)) as [string, string];
    assert.equal(found, values, array);
    if (!type.startsWith('map')) assert.equal(foundType, type, array);
  });
});

test('values that DuckDB cannot hold are refused by name, and harm nothing', { skip }, async (t) => {
  const server = await startServer(t);
  const refused = {
    'digits of the type': 'raw(pa.decimal128(10, 2), 10**20)',
    'digits of DuckDB': 'raw(pa.decimal256(70, 2), 10**60)',
    'a scale below zero': 'raw(pa.decimal128(10, -2), 5)',
    'a scale above the precision': 'raw(pa.decimal128(2, 5), 1)',
    'a large scale': 'raw(pa.decimal256(76, 70), 1)',
    'a list of them': "pa.array([[None, Decimal('0.1')]], pa.list_(pa.decimal256(76, 70)))",
    'no day': 'raw(pa.date32(), 2**31 - 1)',
    'no day in milliseconds': 'raw(pa.date64(), 2**62)',
    'a time before midnight': "raw(pa.time64('us'), -5)",
    'a time after the day': "raw(pa.time64('us'), 2**62)",
    'no moment': "raw(pa.timestamp('us'), -2**63)",
    'no moment in seconds': "raw(pa.timestamp('s', 'UTC'), 2**62)",
    'a long duration': "raw(pa.duration('s'), 2**62)",
    'a fine duration': "raw(pa.duration('ns'), 1001)",
    'an empty struct': 'pa.array([{}], pa.struct([]))',
    'a union':
      'pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])',
  };
  const steps = await runSteps(
    server.flightUrl,
    `${prelude}
${Object.entries(refused)
  .map(([name, array]) => `step(${JSON.stringify(name)}, lambda: bind(${array}))`)
  .join('\n')}
step('a key twice', lambda: bind(pa.array([[('k', 1), ('k', 2)]], pa.map_(pa.string(), pa.int64()))))
def insert(array):
    with connection.cursor() as cursor:
        cursor.execute('create or replace table kinds (d date, n integer, l integer[], j json)')
        cursor.executemany('insert into kinds values (?, ?, ?, ?)', pa.table({str(i): array for i in range(4)}))
        cursor.execute('select count(*) from kinds where d is null and n is null and l is null and j is null')
        return cursor.fetchone()[0]
step('nulls of other types', lambda: [insert(pa.nulls(2, kind)) for kind in [pa.int64(), pa.string(), pa.date32(), pa.list_(pa.string()), pa.null(), pa.binary()]])
step('afterwards', lambda: bind(pa.array([1])))
`,
  );
  for (const name of Object.keys(refused)) assert.match(steps.failure(name), /TYPE_UNSUPPORTED: /, name);
  assert.match(steps.failure('a key twice'), /QUERY_INVALID: /);
  assert.deepEqual(steps.value('nulls of other types'), [2, 2, 2, 2, 2, 2]);
  assert.deepEqual(steps.value('afterwards'), ['int64', '[1]']);
  const answer = await fetch(`${server.url}/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sql: 'select ? as v', parameters: [{}] }),
  });
  assert.equal(((await answer.json()) as { code: string }).code, 'TYPE_UNSUPPORTED');
  assert.equal(answer.status, 422);
});

test('times that are none are refused when they are loaded, also inside of lists; the day’s end is one', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const times = {
    'before midnight': "raw(pa.time64('us'), -1)",
    'after the day': "raw(pa.time64('us'), 2**62)",
    'far before': "raw(pa.time64('ns'), -2**63)",
    'seconds before midnight': "raw(pa.time32('s'), -1)",
    'seconds after the day': "raw(pa.time32('s'), 86401)",
    'in a list': "pa.ListArray.from_arrays([0, 1], raw(pa.time32('ms'), 2**31 - 1))",
  };
  const steps = await runSteps(
    server.flightUrl,
    `${prelude}
def load(array):
    with connection.cursor() as cursor:
        cursor.adbc_ingest('times', pa.table({'v': array}), mode='replace')
        cursor.execute('select v::varchar from times')
        return cursor.fetchone()[0]
${Object.entries(times)
  .map(([name, array]) => `step(${JSON.stringify(name)}, lambda: load(${array}))`)
  .join('\n')}
step('end of the day', lambda: [load(raw(pa.time64('us'), 86_400_000_000)), load(raw(pa.time32('s'), 86_400)), load(raw(pa.time64('ns'), 86_399_999_999_999))])
step('under a null', lambda: load(pa.Array.from_buffers(pa.time64('us'), 1, [pa.py_buffer(b'\\x00'), raw(pa.time64('us'), 2**62).buffers()[1]])))
`,
  );
  for (const name of Object.keys(times)) assert.match(steps.failure(name), /TYPE_UNSUPPORTED: /, name);
  assert.deepEqual(steps.value('end of the day'), ['24:00:00', '24:00:00', '23:59:59.999999999']);
  assert.equal(steps.value('under a null'), null);
});
