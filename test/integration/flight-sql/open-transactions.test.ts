import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

const onCursors = `
rows = pa.table({'a': [1, 2]})
def ask(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
def change(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount
def ingest(connection, table, mode, **options):
    with connection.cursor() as cursor:
        return cursor.adbc_ingest(table, rows, mode=mode, **options)
def keyed(connection):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{'adbc.flight.sql.rpc.call_header.idempotency-key': 'once'})
        return cursor.adbc_ingest('t', rows, mode='append')
`;

test('a DB-API connection with an open transaction sees what it ingests, which is part of what it has written', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${onCursors}
count = 'select count(*) from t'
with dbapi.connect(url) as connection:
    step('create', lambda: [ask(connection, 'select 1'), ingest(connection, 't', 'create'), ask(connection, count)][2])
    step('append', lambda: [ingest(connection, 't', 'append'), ask(connection, count)][1])
    step('replace', lambda: [ingest(connection, 't', 'replace'), ask(connection, count)][1])
    step('written', lambda: [change(connection, 'insert into t values (9)'), ingest(connection, 't', 'append'), ask(connection, count)][2])
    step('undone', lambda: [connection.rollback(), ask(connection, count)][1])
    step('made', lambda: [change(connection, 'create table made (a bigint)'), ingest(connection, 'made', 'append'), connection.commit(), ask(connection, 'select count(*) from made')][3])
    import pandas
    frame = pandas.DataFrame({'b': [1.5, 2.5]})
    def replaced():
        frame.to_sql('made', connection, if_exists='replace', index=False)
        return ask(connection, 'select sum(b) from made')
    step('replaced', replaced)
    step('keyed', lambda: [change(connection, 'insert into t values (9)'), keyed(connection), connection.rollback(), ask(connection, count)][3])
with dbapi.connect(url) as reader, dbapi.connect(url) as writer:
    step('others', lambda: [ask(reader, count), ingest(writer, 't', 'append'), ask(reader, count)][2])
`,
  );
  assert.deepEqual(steps.value('create'), [[2]]);
  assert.deepEqual(steps.value('append'), [[4]]);
  assert.deepEqual(steps.value('replace'), [[2]]);
  assert.deepEqual(steps.value('written'), [[5]]);
  assert.deepEqual(steps.value('undone'), [[2]]);
  assert.deepEqual(steps.value('made'), [[2]]);
  assert.deepEqual(steps.value('replaced'), [[4]]);
  assert.deepEqual(steps.value('keyed'), [[4]], 'a key is for a load that commits by itself');
  assert.deepEqual(steps.value('others'), [[4]], 'what others ingest is for the next transaction');
});

test('temporary tables that a transaction makes are there at once and after it, and options hold in it', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${onCursors}
with dbapi.connect(url) as connection:
    step('ingested', lambda: [ingest(connection, 'kept', 'create', temporary=True), ask(connection, 'select count(*) from kept')][1])
    step('committed', lambda: [connection.commit(), ask(connection, 'select count(*) from kept')][1])
    step('appended', lambda: [ingest(connection, 'kept', 'append', temporary=True), ask(connection, 'select count(*) from kept')][1])
    step('rolled back', lambda: [connection.rollback(), ask(connection, 'select count(*) from kept')][1])
with dbapi.connect(url) as connection:
    change(connection, 'create temp table made(a int)')
    change(connection, 'insert into made values (7)')
    connection.commit()
    step('made', lambda: ask(connection, 'select * from made'))
    step('listed', lambda: connection.adbc_get_objects(depth='tables', catalog_filter='temp').read_all().to_pylist()[0]['catalog_db_schemas'][0]['db_schema_tables'][0]['table_name'])
    with dbapi.connect(url) as other:
        step('to others', lambda: ask(other, 'select * from made'))
with dbapi.connect(url) as connection:
    change(connection, 'create schema plant')
    change(connection, 'create table plant.r as select 5 as v')
    def choose():
        connection.adbc_current_db_schema = 'plant'
        return ask(connection, 'select * from r')
    step('schema', choose)
    step('schema after', lambda: [connection.commit(), ask(connection, 'select * from r')][1])
`,
  );
  assert.deepEqual(steps.value('ingested'), [[2]]);
  assert.deepEqual(steps.value('committed'), [[2]]);
  assert.deepEqual(steps.value('appended'), [[4]]);
  assert.deepEqual(steps.value('rolled back'), [[2]], 'a temporary table is part of the transaction');
  assert.deepEqual(steps.value('made'), [[7]]);
  assert.equal(steps.value('listed'), 'made');
  assert.match(steps.failure('to others'), /TABLE_NOT_FOUND/);
  assert.deepEqual(steps.value('schema'), [[5]]);
  assert.deepEqual(steps.value('schema after'), [[5]]);
});
