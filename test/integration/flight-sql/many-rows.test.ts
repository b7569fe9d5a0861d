import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

const onCursor = `
import datetime, decimal
connection = dbapi.connect(url, autocommit=True)
cursor = connection.cursor()
def ask(sql):
    cursor.execute(sql)
    return cursor.fetchall()
def many(sql, rows):
    cursor.executemany(sql, rows)
    return cursor.rowcount
`;

test('executemany binds hundreds of rows of every type as it binds single ones', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${onCursor}
count = 300
at = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)
def value(i, made): return None if i % 7 == 0 else made
table = pa.table({
    'i': pa.array(range(count), pa.int64()),
    'small': pa.array([value(i, i % 100) for i in range(count)], pa.int8()),
    'd': pa.array([value(i, decimal.Decimal(i) / 100) for i in range(count)], pa.decimal128(12, 2)),
    'f': pa.array([value(i, i / 3) for i in range(count)]),
    's': pa.array([value(i, f"ü'{i}\\\\n") for i in range(count)]),
    'b': pa.array([value(i, bytes([i % 256, 0])) for i in range(count)]),
    'day': pa.array([value(i, at.date()) for i in range(count)]),
    'ts': pa.array([value(i, at) for i in range(count)], pa.timestamp('us')),
    'tz': pa.array([value(i, at) for i in range(count)], pa.timestamp('us', 'UTC')),
    'l': pa.array([value(i, [i, None]) for i in range(count)]),
    'st': pa.array([value(i, {'x': i, 'y': 'z'}) for i in range(count)]),
    'bool': pa.array([value(i, i % 2 == 0) for i in range(count)]),
    'word': pa.array([value(i, 'on') for i in range(count)]),
})
ask('''create table kinds (i integer, small bigint, d decimal(14, 3), f float, s varchar, b blob, day date, ts timestamp, tz timestamptz,
       l integer[], st struct(x integer, y varchar), "bool" boolean, word enum('on', 'off'), made varchar default 'made')''')
ask('create table singles as from kinds')
ask("alter table singles alter made set default 'made'")
names = ', '.join(f'"{name}"' for name in table.schema.names)
marks = ', '.join('?' for _ in table.schema.names)
step('changed', lambda: many(f'insert into "main".kinds ({names}) values ({marks});', table))
for start in range(0, count, 100):
    many(f'insert into singles ({names}) values ({marks})', table.slice(start, 100))
step('rows', lambda: ask('select count(*), count(s), sum(i), max(i), count(distinct made) from kinds'))
step('differences', lambda: ask('(from kinds except all from singles) union all (from singles except all from kinds)'))
step('computed', lambda: [ask('create table twice (a integer, b varchar)'), many("insert into twice values (? * 2, 'n' || ? || '?')", [(i, str(i)) for i in range(1000)]),
                          ask('select sum(a), max(b), count(*) from twice')][1:])
`,
  );
  assert.equal(steps.value('changed'), 300);
  assert.deepEqual(steps.value('rows'), [[300, 257, '44850', 299, 1]]);
  assert.deepEqual(steps.value('differences'), []);
  assert.deepEqual(steps.value('computed'), [1000, [['999000', 'n9?', 1000]]]);
});

test('executemany of many rows writes all of them or none, also where rows need each other', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${onCursor}
ask('create table keyed (id integer primary key, note varchar)')
step('twice', lambda: many('insert into keyed values (?, ?)', [(i % 150, 'x') for i in range(160)]))
step('none', lambda: ask('select count(*) from keyed'))
step('text', lambda: many("insert into keyed values (?, ?)", pa.table({'id': [str(i) for i in range(200)] + ['many'], 'note': ['x'] * 201})))
step('none again', lambda: ask('select count(*) from keyed'))
step('ignored', lambda: [many('insert or ignore into keyed values (?, ?)', [(i % 150, str(i)) for i in range(300)]), ask('select count(*), max(note) from keyed')][1])
ask('create table tree (id integer primary key, parent integer references tree (id))')
step('tree', lambda: [many('insert into tree values (?, ?)', [(i, i - 1 if i > 0 else None) for i in range(200)]), ask('select count(*) from tree')])
step('too many', lambda: many('insert into tree values (?, ?)', [(i, i, i) for i in range(200)]))
ask('create table lines (a integer, before integer)')
ask('create macro so_far() as (select count(*) from lines)')
def numbered(expression):
    ask('delete from lines')
    many(f'insert into lines values (?, {expression})', [(i,) for i in range(200)])
    return ask('select count(*) from lines where a = before')
step('by a query', lambda: numbered('(select count(*) from lines)'))
step('by a macro', lambda: numbered('so_far()'))
def undone():
    with dbapi.connect(url) as open, open.cursor() as inside:
        inside.executemany('insert into keyed values (?, ?)', [(1000 + i, 'y') for i in range(500)])
        inside.execute('select count(*) from keyed where id >= 1000')
        seen = inside.fetchall()
        open.rollback()
        return [seen, ask('select count(*) from keyed where id >= 1000')]
step('undone', undone)
`,
  );
  assert.match(steps.failure('twice'), /QUERY_INVALID: Constraint Error/);
  assert.deepEqual(steps.value('none'), [[0]]);
  assert.match(steps.failure('text'), /QUERY_INVALID: Conversion Error/);
  assert.deepEqual(steps.value('none again'), [[0]]);
  assert.deepEqual(steps.value('ignored'), [[150, '99']]);
  assert.deepEqual(steps.value('tree'), [200, [[200]]]);
  assert.deepEqual([steps.value('by a query'), steps.value('by a macro')], [[[200]], [[200]]]);
  assert.match(
    steps.failure('too many'),
    /QUERY_INVALID: The statement takes 2 parameters, and 3 were given/,
  );
  assert.deepEqual(steps.value('undone'), [[[500]], [[0]]]);
});

test('bound statements keep columns of one name, end in comments, and bind nothing to nothing', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${onCursor}
def bound(sql, *values):
    cursor.execute(sql, values)
    table = cursor.fetch_arrow_table()
    return [table.schema.names, [column.to_pylist() for column in table.columns]]
step('twice', lambda: bound('select $1, $1', 2))
step('alike', lambda: bound('select ? as a, 1 as a', 2))
step('with', lambda: bound('with q as (select ? as a) select a, a from q order by a; -- ; end', 3))
step('limit', lambda: bound('select ? as a, ? as b limit ? -- end', 3, 'x', 5))
step('values', lambda: bound('values (?, ?)', 1, 'x'))
step('union', lambda: bound('select ? as a, 2 as a union all from (values (3, 4)) order by 1', 1))
step('describe', lambda: bound('describe select ?::int as a'.replace('?', '1')))
def nothing():
    cursor.execute('select ? as a, ? as a', pa.table({'0': pa.array([], pa.int64()), '1': pa.array([], pa.string())}))
    table = cursor.fetch_arrow_table()
    return [table.num_rows, table.schema.names]
step('nothing', nothing)
`,
  );
  assert.deepEqual(steps.value('twice'), [
    ['$1', '$1'],
    [[2], [2]],
  ]);
  assert.deepEqual(steps.value('alike'), [
    ['a', 'a'],
    [[2], [1]],
  ]);
  assert.deepEqual(steps.value('with'), [
    ['a', 'a'],
    [[3], [3]],
  ]);
  assert.deepEqual(steps.value('limit'), [
    ['a', 'b'],
    [[3], ['x']],
  ]);
  assert.deepEqual(steps.value('values'), [
    ['col0', 'col1'],
    [[1], ['x']],
  ]);
  assert.deepEqual(steps.value('union'), [
    ['a', 'a'],
    [
      [1, 3],
      [2, 4],
    ],
  ]);
  assert.equal((steps.value('describe') as unknown[][])[0]?.[0], 'column_name');
  assert.deepEqual(steps.value('nothing'), [0, ['a', 'a']]);
});
