import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startDeltaServer } from '../delta-doors/delta-server.ts';
import { runSteps } from './python-steps.ts';

test('Delta tables are listed, read and ingested over Flight SQL', { skip: skipWithoutPython }, async (t) => {
  const server = await startDeltaServer(t, 'streams:\n  events: {storage_backend: delta}\n');
  const steps = await runSteps(
    server.flightUrl,
    `
client = fl.connect(url)
connection = dbapi.connect(url, autocommit=True)
rows = pa.table({'x': [1, 2, 3]})
def ingest(name, mode, **options):
    with connection.cursor() as cursor:
        return cursor.adbc_ingest(name, rows, mode=mode, **options)
def query(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
step('routed', lambda: ingest('events', 'create'))
step('routed again', lambda: ingest('events', 'create'))
step('append', lambda: ingest('events', 'append'))
step('rows', lambda: query('select count(*) from delta.events'))
step('replace', lambda: [ingest('events', 'replace'), query('select count(*) from delta.events')])
step('version', lambda: query("select count(*) from delta_table('events', version => 1)"))
step('list', lambda: [[p.decode() for p in i.descriptor.path] for i in client.list_flights()])
def read(*path): return client.do_get(client.get_flight_info(fl.FlightDescriptor.for_path(*path)).endpoints[0].ticket).read_all().num_rows
step('objects', lambda: [[schema['db_schema_name'], [table['table_name'] for table in schema['db_schema_tables']]] for catalog in connection.adbc_get_objects(depth='tables', catalog_filter='delta').read_all().to_pylist() for schema in catalog['catalog_db_schemas']])
step('path', lambda: read('delta', 'events'))
step('missing', lambda: read('delta', 'nowhere'))
connection.close()
`,
  );
  assert.equal(steps.value('routed'), 3);
  assert.match(steps.failure('routed again'), /TABLE_EXISTS: /);
  assert.equal(steps.value('append'), 3);
  assert.deepEqual(steps.value('rows'), [[6]]);
  assert.deepEqual(steps.value('replace'), [3, [[3]]]);
  assert.deepEqual(steps.value('version'), [[6]]);
  assert.deepEqual(steps.value('list'), [['delta', 'events']]);
  assert.deepEqual(steps.value('objects'), [['delta', ['events']]]);
  assert.equal(steps.value('path'), 3);
  assert.match(steps.failure('missing'), /TABLE_NOT_FOUND: /);
});
