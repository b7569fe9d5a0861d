import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

test('ADBC runs statements, binds parameters and fetches as rows, Arrow, pandas and Polars', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `
import polars as pl
connection = dbapi.connect(url, autocommit=True)
cursor = connection.cursor()
def query(sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetchall()
def run(sql):
    cursor.execute(sql)
    return cursor

step('create', lambda: query('create table items (id integer, name varchar)'))
step('insert', lambda: query("insert into items values (1, 'one'), (2, 'two')"))
step('rows', lambda: query('select * from items order by id'))
step('parameter', lambda: query('select name from items where id = ?', (2,)))
step('typed by the parameter', lambda: query('select ? as x', ('text',)))
step('many', lambda: [cursor.executemany('insert into items values (?, ?)', [(i, str(i)) for i in range(3, 10)]), cursor.rowcount][1])
step('update', lambda: run("update items set name = 'x' where id > 5").rowcount)
step('returning', lambda: query('delete from items where id = 9 returning id'))
step('parameter schema', lambda: [str(f.type) for f in cursor.adbc_prepare('select id from items where id > ?')])
step('schema', lambda: cursor.adbc_execute_schema('select id, name from items').names)
step('arrow', lambda: run('select * from items').fetch_arrow_table().num_rows)
step('pandas', lambda: list(run('select * from items').fetch_df().columns))
step('polars', lambda: run('select * from items').fetch_polars().height)
step('polars by uri', lambda: pl.read_database_uri('select sum(id)::bigint as s from items', url.replace('grpc://', 'flightsql://') + '?transport=tcp', engine='adbc')['s'][0])
step('polars by connection', lambda: pl.read_database('select count(*) as n from items', connection)['n'][0])
step('syntax', lambda: query('selec 1'))
step('no table', lambda: query('select * from nowhere'))
step('too few', lambda: query('select ? + ?', (1,)))
step('several', lambda: query('select 1; select 2'))
step('files', lambda: query("select * from read_csv('/etc/hostname')"))
step('after errors', lambda: query('select 1'))
connection.close()
`,
  );
  assert.deepEqual(steps.value('rows'), [
    [1, 'one'],
    [2, 'two'],
  ]);
  assert.deepEqual(steps.value('parameter'), [['two']]);
  assert.deepEqual(steps.value('typed by the parameter'), [['text']]);
  assert.equal(steps.value('many'), 7);
  assert.equal(steps.value('update'), 4);
  assert.deepEqual(steps.value('returning'), [[9]]);
  assert.deepEqual(steps.value('parameter schema'), ['int32']);
  assert.deepEqual(steps.value('schema'), ['id', 'name']);
  assert.equal(steps.value('arrow'), 8);
  assert.deepEqual(steps.value('pandas'), ['id', 'name']);
  assert.equal(steps.value('polars'), 8);
  assert.equal(steps.value('polars by uri'), 36);
  assert.equal(steps.value('polars by connection'), 8);
  assert.match(steps.failure('syntax'), /QUERY_INVALID: /);
  assert.match(steps.failure('no table'), /TABLE_NOT_FOUND: /);
  assert.match(steps.failure('too few'), /QUERY_INVALID: |parameter/);
  assert.match(steps.failure('several'), /QUERY_FORBIDDEN: /);
  assert.match(steps.failure('files'), /QUERY_FORBIDDEN: /);
  assert.deepEqual(steps.value('after errors'), [[1]]);
});

test('ADBC reads the catalog: objects, schemas, types, keys, and what the server is', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `
connection = dbapi.connect(url, autocommit=True)
cursor = connection.cursor()
for sql in ['create table parent (id integer primary key)',
            'create table child (id integer, parent integer references parent (id))',
            'create view sums as select count(*) as n from child',
            'create schema other', 'create table other.parent_x (d decimal(10, 2) not null, note varchar)']:
    cursor.execute(sql)
    cursor.fetchall()
def objects(**filters):
    found = []
    for catalog in connection.adbc_get_objects(**filters).read_all().to_pylist():
        for schema in catalog['catalog_db_schemas'] or []:
            for table in schema['db_schema_tables'] or []:
                columns = [c['column_name'] for c in table['table_columns'] or []]
                found.append([schema['db_schema_name'], table['table_name'], table['table_type'], columns])
    return sorted(found)
step('objects', lambda: objects())
step('one', lambda: objects(table_name_filter='par%'))
step('escaped', lambda: objects(table_name_filter='parent\\\\_x'))
step('views', lambda: objects(table_types_filter=['VIEW']))
step('catalogs', lambda: [c['catalog_name'] for c in connection.adbc_get_objects(depth='catalogs').read_all().to_pylist()])
step('schema', lambda: [[f.name, str(f.type)] for f in connection.adbc_get_table_schema('parent_x', db_schema_filter='other')])
def described():
    fields = connection.adbc_get_table_schema('parent_x', db_schema_filter='other')
    keys = ['TYPE_NAME', 'PRECISION', 'SCALE', 'TABLE_NAME']
    return [[f.nullable, *[(f.metadata.get(('ARROW:FLIGHT:SQL:' + key).encode()) or b'').decode() for key in keys]] for f in fields]
step('described', described)
step('missing', lambda: connection.adbc_get_table_schema('nowhere'))
step('types', lambda: connection.adbc_get_table_types())
step('info', lambda: connection.adbc_get_info()['vendor_name'])
connection.close()
`,
  );
  assert.deepEqual(steps.value('objects'), [
    ['main', 'child', 'TABLE', ['id', 'parent']],
    ['main', 'parent', 'TABLE', ['id']],
    ['main', 'sums', 'VIEW', ['n']],
    ['other', 'parent_x', 'TABLE', ['d', 'note']],
  ]);
  assert.deepEqual(
    (steps.value('one') as [string, string][]).map(([, name]) => name),
    ['parent', 'parent_x'],
  );
  assert.deepEqual(
    (steps.value('escaped') as [string, string][]).map(([, name]) => name),
    ['parent_x'],
  );
  assert.deepEqual(
    (steps.value('views') as [string, string][]).map(([, name]) => name),
    ['sums'],
  );
  assert.ok((steps.value('catalogs') as string[]).includes('test'));
  assert.deepEqual(steps.value('schema'), [
    ['d', 'decimal128(10, 2)'],
    ['note', 'string'],
  ]);
  assert.deepEqual(steps.value('described'), [
    [false, 'DECIMAL', '10', '2', 'parent_x'],
    [true, 'VARCHAR', '', '', 'parent_x'],
  ]);
  assert.match(steps.failure('missing'), /could not find a table|NOT_FOUND/);
  assert.deepEqual(steps.value('types'), ['LOCAL TEMPORARY', 'TABLE', 'VIEW']);
  assert.equal(steps.value('info'), 'Arrowport');
});

test('transactions commit, roll back and see one snapshot', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `
outside = dbapi.connect(url, autocommit=True)
inside = dbapi.connect(url)
def query(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
count = 'select count(*) from t'
query(outside, 'create table t (x integer)')
step('in', lambda: [query(inside, 'insert into t values (1)'), query(inside, count)][1])
step('others', lambda: query(outside, count))
step('rollback', lambda: [inside.rollback(), query(inside, count)][1])
step('committed', lambda: [query(inside, 'insert into t values (2)'), inside.commit(), query(outside, count)][2])
step('snapshot', lambda: [query(inside, count), query(outside, 'insert into t values (3)'), query(inside, count)][2])
step('next snapshot', lambda: [inside.rollback(), query(inside, count)][1])
def lost():
    with dbapi.connect(url) as third:
        query(third, 'insert into t values (4)')
    return query(outside, count)
step('closed', lost)
def conflict():
    query(inside, 'update t set x = 10'); 
    other = dbapi.connect(url)
    try:
        query(other, 'update t set x = 20')
        inside.commit()
        other.commit()
    finally:
        other.close()
step('conflict', conflict)
def aborted():
    failed = dbapi.connect(url)
    cursor = failed.cursor()
    cursor.execute('insert into t values (99)')
    try:
        cursor.execute("insert into t select cast(s as integer) from (values ('x')) v(s)")
    except Exception:
        pass
    try:
        failed.commit()
    finally:
        cursor.close()
        failed.close()
step('aborted', aborted)
step('nothing of it', lambda: query(outside, 'select count(*) from t where x = 99'))
inside.close(); outside.close()
`,
  );
  assert.deepEqual(steps.value('in'), [[1]]);
  assert.deepEqual(steps.value('others'), [[0]]);
  assert.deepEqual(steps.value('rollback'), [[0]]);
  assert.deepEqual(steps.value('committed'), [[1]]);
  assert.deepEqual(steps.value('snapshot'), [[1]]);
  assert.deepEqual(steps.value('next snapshot'), [[2]]);
  assert.deepEqual(steps.value('closed'), [[2]]);
  assert.match(steps.failure('conflict'), /COMMIT_CONFLICT: /);
  assert.match(steps.failure('aborted'), /QUERY_INVALID: A statement of the transaction has failed/);
  assert.deepEqual(steps.value('nothing of it'), [[0]]);
});

test('adbc_ingest creates, appends, replaces, and refuses by its mode', { skip }, async (t) => {
  const server = await startServer(t, { config: 'streams:\n  routed: {target_table: landing.rows}\n' });
  const steps = await runSteps(
    server.flightUrl,
    `
connection = dbapi.connect(url, autocommit=True)
cursor = connection.cursor()
table = pa.table({'x': [1, 2, 3], 's': ['a', 'b', None]})
def ingest(name, mode, data=table, **options):
    # Options stay with a cursor.
    with connection.cursor() as fresh:
        return fresh.adbc_ingest(name, data, mode=mode, **options)
def count(name):
    cursor.execute(f'select count(*) from {name}')
    return cursor.fetchone()[0]
step('append to nothing', lambda: ingest('t', 'append'))
step('create', lambda: [ingest('t', 'create'), count('t')])
step('create again', lambda: ingest('t', 'create'))
step('append', lambda: [ingest('t', 'append'), count('t')])
step('create_append', lambda: [ingest('t', 'create_append'), count('t')])
step('append other', lambda: ingest('t', 'append', pa.table({'y': [1]})))
step('replace', lambda: [ingest('t', 'replace', pa.table({'other': [1.5], 'none': pa.nulls(1), 'nones': pa.array([[None]])})), count('t')])
cursor.execute('select *, typeof(none) as t, typeof(nones) as ts from t')
step('replaced', lambda: cursor.fetch_arrow_table().to_pydict())
step('schema', lambda: [ingest('u', 'create', db_schema_name='made'), count('made.u')])
step('same name elsewhere', lambda: [ingest('t', 'create', db_schema_name='made'), count('made.t')])
step('routed', lambda: [ingest('routed', 'create_append'), count('landing.rows')])
step('routed again', lambda: ingest('routed', 'create'))
step('reader', lambda: [ingest('v', 'create', pa.RecordBatchReader.from_batches(table.schema, table.to_batches(2))), count('v')])
step('catalog', lambda: ingest('w', 'create', catalog_name='nowhere'))
step('name', lambda: ingest('no/such', 'create'))
keyed = dbapi.connect(url, autocommit=True, conn_kwargs={'adbc.flight.sql.rpc.call_header.idempotency-key': 'once'})
with keyed.cursor() as once:
    step('keyed', lambda: [once.adbc_ingest('k', table, mode='create'), count('k')])
    step('keyed again', lambda: [once.adbc_ingest('k', table, mode='create'), count('k')])
keyed.close(); connection.close()
`,
  );
  assert.match(steps.failure('append to nothing'), /TABLE_NOT_FOUND: /);
  assert.deepEqual(steps.value('create'), [3, 3]);
  assert.match(steps.failure('create again'), /TABLE_EXISTS: /);
  assert.deepEqual(steps.value('append'), [3, 6]);
  assert.deepEqual(steps.value('create_append'), [3, 9]);
  assert.match(steps.failure('append other'), /SCHEMA_MISMATCH: /);
  assert.deepEqual(steps.value('replace'), [1, 1]);
  // As a table is that is made new with nothing but nulls.
  const nulls = { none: [null], nones: [[null]], t: ['INTEGER'], ts: ['INTEGER[]'] };
  assert.deepEqual(steps.value('replaced'), { other: [1.5], ...nulls });
  assert.deepEqual(steps.value('schema'), [3, 3]);
  assert.deepEqual(steps.value('same name elsewhere'), [3, 3]);
  assert.deepEqual(steps.value('routed'), [3, 3]);
  assert.match(steps.failure('routed again'), /TABLE_EXISTS: /);
  assert.deepEqual(steps.value('reader'), [3, 3]);
  assert.match(steps.failure('catalog'), /TABLE_NOT_FOUND: /);
  assert.match(steps.failure('name'), /STREAM_NAME_INVALID: /);
  assert.deepEqual(steps.value('keyed'), [3, 3]);
  assert.deepEqual(steps.value('keyed again'), [3, 3]);
});

test('partitions are read apart, also asked for by polling; a query is cancelled', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `
import threading, time
connection = dbapi.connect(url, autocommit=True)
def partitions(options):
    with connection.cursor() as cursor, connection.cursor() as other:
        cursor.adbc_statement.set_options(**options)
        found, _ = cursor.adbc_execute_partitions('select range as r from range(10)')
        other.adbc_read_partition(found[0])
        return other.fetch_arrow_table().num_rows
step('partitions', lambda: partitions({}))
step('polled', lambda: partitions({'adbc.statement.exec.incremental': 'true'}))
def cancel():
    with connection.cursor() as cursor:
        ended = threading.Event()
        def soon():
            # Until it takes: a statement that has not begun yet cannot be cancelled.
            while not ended.wait(0.5): cursor.adbc_cancel()
        threading.Thread(target=soon).start()
        try:
            cursor.execute('select count(*) from range(100000000000) a, range(1000) b where a.range % 7 = b.range')
            return cursor.fetchall()
        finally:
            ended.set()
step('cancelled', cancel)
connection.close()
`,
  );
  assert.equal(steps.value('partitions'), 10);
  assert.equal(steps.value('polled'), 10);
  assert.match(steps.failure('cancelled'), /CANCELLED|canceled/i);
});
