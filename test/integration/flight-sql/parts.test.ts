import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startDeltaServer } from '../delta-doors/delta-server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

/** Eight loads of 5,000 rows each, and one endpoint for about two of their files. */
const program = `
import concurrent.futures, os
client = fl.connect(url)
def put(name, start, rows=5000):
    ids = pa.array(range(start, start + rows))
    table = pa.table({'id': ids, 'day': pa.array([f'd{start // 10000}'] * rows), 'text': [os.urandom(20).hex() for _ in range(rows)]})
    writer, _ = client.do_put(fl.FlightDescriptor.for_path('delta', name), table.schema)
    with writer: writer.write_table(table)
for i in range(8):
    put('events', i * 5000); put('days', i * 5000)
put('small', 0, 3)
with dbapi.connect(url, autocommit=True) as admin, admin.cursor() as cursor:
    for sql in ('create macro "Upper"(x) as sum(x)', 'create macro total(x) as sum(x)'): cursor.execute(sql); cursor.fetchall()
def info(sql): return client.get_flight_info(fl.FlightDescriptor.for_command(json.dumps({'sql': sql}).encode()))
def path(*names): return client.get_flight_info(fl.FlightDescriptor.for_path(*names))
def read(endpoint): return fl.connect(url).do_get(endpoint.ticket).read_all()
def together(found):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(read, found.endpoints))
    assert all(table.schema == found.schema for table in tables)
    return pa.concat_tables(tables)
def ids(found): return sorted(together(found).column('id').to_pylist())
def whole(found): return [len(found.endpoints), found.ordered, ids(found) == list(range(40000))]
step('table', lambda: whole(path('delta', 'events')))
step('partitioned', lambda: whole(path('delta', 'days')))
step('statement', lambda: whole(info('select id, lower(text) as t from delta.events')))
filtered = info('select id from delta.events where id >= 12000 and id % 2 = 0')
step('filtered', lambda: [len(filtered.endpoints) > 1, ids(filtered) == list(range(12000, 40000, 2))])
days = info("select id from delta.days where day = 'd1'")
step('pruned', lambda: [len(days.endpoints), ids(days) == list(range(10000, 20000))])
step('single', lambda: [sql for sql in [
    'select count(*) as id from delta.events', 'select total(id) as id from delta.events', 'select upper(id) as id from delta.events', 'select id from delta.events order by id', 'select distinct id from delta.events',
    'select id from delta.events limit 10', 'select sum(id) over () as id from delta.events', 'select id from delta.events using sample 50%',
    'select a.id from delta.events a join delta.events b using (id)', 'select id from delta.events union all select id from delta.events',
    'select id from delta.events where id in (select id from delta.small)', 'select unnest([id, id]) as id from delta.events',
    'select id, random() as r from delta.events', 'select id from delta.events where now() > timestamptz \\'2000-01-01\\'',
    'with c as (select 1) select id from delta.events', 'select id from delta.events group by all', 'select id from delta.small',
    'select 1 as id'] if len(info(sql).endpoints) != 1])
pinned = path('delta', 'events')
earlier = info("select id from delta_table('events', version => 3)")
put('events', 40000)
step('pinned', lambda: [ids(pinned) == list(range(40000)), len(path('delta', 'events').endpoints), ids(path('delta', 'events')) == list(range(45000))])
step('version', lambda: [len(earlier.endpoints), ids(earlier) == list(range(20000))])
step('twice', lambda: read(pinned.endpoints[1]).equals(read(pinned.endpoints[1])))
with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute('select count(distinct id) from delta.events'); step('adbc one', lambda: cursor.fetchone()[0])
    cursor.execute('select id from delta.events'); step('adbc', lambda: sorted(r[0] for r in cursor.fetchall()) == list(range(45000)))
    partitions, _ = cursor.adbc_execute_partitions('select id from delta.events')
    def partition(descriptor):
        with connection.cursor() as other:
            other.adbc_read_partition(descriptor)
            return other.fetch_arrow_table()
    step('adbc partitions', lambda: [len(partitions), pa.concat_tables(map(partition, partitions)).num_rows])
with dbapi.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute('select id from delta.events'); step('adbc transaction', lambda: len(cursor.fetchall()))
    partitions, _ = cursor.adbc_execute_partitions('select id from delta.events')
    step('transaction partitions', lambda: len(partitions))
step('cut', lambda: client.do_get(fl.Ticket(pinned.endpoints[0].ticket.ticket[:-9])).read_all())
step('no table', lambda: path('delta', 'nowhere'))
step('syntax', lambda: info('select id from delta.events where'))
`;

test('clients read the rows of a large Delta table side by side, all of one version', { skip }, async (t) => {
  const config =
    'flight_endpoint_bytes: 400000\nstreams:\n  days: {storage_backend: delta, delta_options: {partition_by: [day]}}\n';
  const server = await startDeltaServer(t, config);
  const steps = await runSteps(server.flightUrl, program);
  const [endpoints = 0, ordered, isWhole] = steps.value('table') as [number, boolean, boolean];
  assert.ok(endpoints > 2 && endpoints <= 8, `${endpoints} endpoints`);
  assert.deepEqual([ordered, isWhole], [false, true]);
  assert.equal((steps.value('partitioned') as unknown[])[2], true);
  assert.deepEqual(steps.value('statement'), [endpoints, false, true]);
  assert.deepEqual(steps.value('filtered'), [true, true]);
  assert.deepEqual(steps.value('pruned'), [1, true]);
  assert.deepEqual(steps.value('single'), []);
  const [isPinned, more = 0, isLatest] = steps.value('pinned') as [boolean, number, boolean];
  assert.deepEqual([isPinned, more >= endpoints, isLatest], [true, true, true]);
  assert.deepEqual(steps.value('version'), [2, true]);
  assert.equal(steps.value('twice'), true);
  assert.equal(steps.value('adbc one'), 45_000);
  assert.equal(steps.value('adbc'), true);
  assert.deepEqual(steps.value('adbc partitions'), [more, 45_000]);
  assert.equal(steps.value('adbc transaction'), 45_000);
  assert.equal(steps.value('transaction partitions'), 1);
  assert.match(steps.failure('cut'), /TICKET_INVALID: /);
  assert.match(steps.failure('no table'), /TABLE_NOT_FOUND: /);
  assert.match(steps.failure('syntax'), /QUERY_INVALID: /);
});
