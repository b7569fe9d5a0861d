import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { startDeltaServer } from '../delta-doors/delta-server.ts';
import { scrape } from '../metric-samples.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

/** \`put(table, rows, …)\` sends CommandStatementIngest as any client may, with the options that stock ones leave out. */
const command = `
client = fl.connect(url)
def varint(n):
    out = b''
    while n > 127: out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n])
def field(number, body):
    if isinstance(body, int): return varint(number << 3) + varint(body)
    body = body.encode() if isinstance(body, str) else body
    return varint(number << 3 | 2) + varint(len(body)) + body
def pack(name, body): return field(1, 'type.googleapis.com/arrow.flight.protocol.sql.' + name) + field(2, body)
modes = {'create': (1, 1), 'append': (2, 2), 'replace': (1, 3), 'create_append': (1, 2)}
def put(table, rows, mode='create_append', key=None, schema='', catalog='', temporary=False, transaction=b'', options={}):
    absent, exists = modes[mode]
    body = field(1, field(1, absent) + field(2, exists)) + field(2, table)
    for number, value in ((3, schema), (4, catalog), (6, transaction)):
        if value: body += field(number, value)
    if temporary: body += field(5, 1)
    if key is not None: options = {**options, 'arrowport.idempotency-key': key}
    for name, value in options.items(): body += field(1000, field(1, name) + field(2, value))
    writer, reader = client.do_put(fl.FlightDescriptor.for_command(pack('CommandStatementIngest', body)), rows.schema)
    with writer:
        writer.write_table(rows)
        writer.done_writing()
        answer = reader.read().to_pybytes()
    return answer[1] if answer else 0
def query(sql):
    info = client.get_flight_info(fl.FlightDescriptor.for_command(json.dumps({'sql': sql}).encode()))
    return client.do_get(info.endpoints[0].ticket).read_all().to_pylist()
def count(table): return query(f'select count(*) as n from {table}')[0]['n']
rows = pa.table({'x': [1, 2, 3]})
`;

const everyMode = `
step('create', lambda: [put('c', rows, 'create', 'k1'), count('c')])
step('append', lambda: [put('c', rows, 'append', 'k2'), count('c')])
step('create_append', lambda: [put('d', rows, 'create_append', 'k1'), count('d')])
step('replace', lambda: [put('r', pa.table({'y': ['a', 'b']}), 'replace', 'k1'), query('select * from r order by y')])
step('schema', lambda: [put('c', rows, 'create', 'k1', schema='made'), count('made.c')])
step('catalog', lambda: [put('c', rows, 'append', 'k3', catalog='test', schema='main'), count('c')])
step('delta', lambda: [put('e', rows, 'create', 'k1', schema='delta'), count('delta.e')])
step('delta append', lambda: [put('e', rows, 'append', 'k2', schema='delta'), count('delta.e')])
step('delta replace', lambda: [put('f', pa.table({'y': [1]}), 'replace', 'k1', schema='delta'), count('delta.f')])
step('other mode', lambda: put('c', rows, 'replace', 'k1'))
step('no key', lambda: put('c', rows, 'create'))
step('unknown option', lambda: put('c', rows, options={'arrowport.idempotency_key': 'k'}))
step('empty key', lambda: put('c', rows, key=''))
step('long key', lambda: put('c', rows, key='k' * 256))
step('temporary with key', lambda: put('t', rows, 'create', 'k1', temporary=True))
step('temporary', lambda: [put('t', rows, 'create', temporary=True), put('t', rows, 'append', temporary=True), put('t', rows, 'create', catalog='temp')])
`;

test('ingests of every mode are exactly-once under their keys, also over kill -9', { skip }, async (t) => {
  const server = await startDeltaServer(t);
  const run = () => runSteps(server.flightUrl, command + everyMode);
  const first = await run();
  await server.kill();
  await server.restart();
  const second = await run();
  for (const steps of [first, second]) {
    assert.deepEqual(steps.value('create_append'), [3, 3]);
    assert.deepEqual(steps.value('replace'), [2, [{ y: 'a' }, { y: 'b' }]]);
    assert.deepEqual(steps.value('schema'), [3, 3]);
    assert.deepEqual(steps.value('catalog'), [3, 9]);
    assert.deepEqual(steps.value('delta append'), [3, 6]);
    assert.deepEqual(steps.value('delta replace'), [1, 1]);
    assert.match(steps.failure('other mode'), /IDEMPOTENCY_CONFLICT: /);
    assert.match(steps.failure('no key'), /TABLE_EXISTS: /);
    for (const name of ['unknown option', 'empty key', 'long key', 'temporary with key'])
      assert.match(steps.failure(name), /OPTION_INVALID: /, name);
    assert.match(steps.failure('temporary'), /TABLE_EXISTS: /);
  }
  assert.deepEqual(first.value('create'), [3, 3]);
  assert.deepEqual(second.value('create'), [3, 9]);
  assert.deepEqual(first.value('append'), [3, 6]);
  assert.deepEqual(second.value('append'), [3, 9]);
});

test('an ingest that a crash cuts off leaves nothing, and its repetition all', { skip }, async (t) => {
  const server = await startServer(t);
  const ingest = (batches: number) => `
import time
connection = dbapi.connect(url, autocommit=True, conn_kwargs={'adbc.flight.sql.rpc.call_header.idempotency-key': 'once'})
schema = pa.schema([('x', pa.int64())])
def batches():
    for i in range(${batches}):
        yield pa.record_batch([pa.array(range(i * 1000, i * 1000 + 1000))], schema=schema)
        print(json.dumps(['sent', {'value': i}]), flush=True)
        ${batches === 40 ? 'time.sleep(0.002)' : 'time.sleep(0.1)'}
def ingest():
    with connection.cursor() as cursor:
        return cursor.adbc_ingest('cut', pa.RecordBatchReader.from_batches(schema, batches()), mode='create')
step('ingest', ingest)
def count():
    with connection.cursor() as cursor:
        cursor.execute('select count(*), count(distinct x) from cut')
        return cursor.fetchone()
step('rows', count)
`;
  const cut = runSteps(server.flightUrl, ingest(400));
  await waitFor('a few batches', async () => (await scrape(server)).sum('arrowport_batches_total') >= 10);
  await server.kill();
  assert.match((await cut).failure('ingest'), /Unavailable|EOF|reset|closed|refused|IO/i);
  await server.restart();
  for (const _ of ['first', 'again']) {
    const steps = await runSteps(server.flightUrl, ingest(40));
    assert.equal(steps.value('ingest'), 40_000);
    assert.deepEqual(steps.value('rows'), [40_000, 40_000]);
  }
});

test('of several clients that create one table at once, one does, and its rows are alone', {
  skip,
}, async (t) => {
  const server = await startDeltaServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${command}
import concurrent.futures, threading
def race(catalog_or_schema, name, **options):
    barrier = threading.Barrier(6)
    def create(i):
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            data = pa.table({'who': [i] * 50_000})
            barrier.wait()
            try:
                return cursor.adbc_ingest(name, data, mode='create', **options)
            except Exception as error:
                return str(error)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(create, range(6)))
    found = query(f'select count(*) as n, count(distinct who) as w from {catalog_or_schema}')
    return [sum(a == 50_000 for a in answers), sum('TABLE_EXISTS' in str(a) for a in answers), found]
step('duckdb', lambda: race('raced', 'raced'))
step('schema', lambda: race('other.raced', 'raced', db_schema_name='other'))
step('delta', lambda: race('delta.raced', 'raced', db_schema_name='delta'))
# Whoever waits for one that fails makes the table itself.
def after_failure():
    slow = pa.schema([('x', pa.int64())])
    entered, failed = threading.Event(), threading.Event()
    def failing():
        yield pa.record_batch([pa.array([1])], schema=slow)
        entered.set(); failed.wait(200)
        raise ValueError('gone')
    def first():
        try:
            with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
                cursor.adbc_ingest('after', pa.RecordBatchReader.from_batches(slow, failing()), mode='create')
        except Exception as error:
            return type(error).__name__
    def second():
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            return cursor.adbc_ingest('after', pa.table({'y': ['mine', 'too']}), mode='create')
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        one = pool.submit(first); entered.wait(200)
        two = pool.submit(second)
        waits = concurrent.futures.wait([two], timeout=1).not_done
        failed.set()
        return [len(waits), one.result() is not None, two.result(), query('select * from after order by y')]
step('after a failure', after_failure)
`,
  );
  for (const name of ['duckdb', 'schema', 'delta'])
    assert.deepEqual(steps.value(name), [1, 5, [{ n: 50_000, w: 1 }]], name);
  assert.deepEqual(steps.value('after a failure'), [1, true, 2, [{ y: 'mine' }, { y: 'too' }]]);
});

test('ingests that fail before they are loads are counted once, with their codes', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${command}
step('no table', lambda: put('', rows))
step('catalog', lambda: put('t', rows, catalog='nowhere'))
step('option', lambda: put('t', rows, options={'arrowport.other': '1'}))
step('transaction', lambda: put('t', rows, transaction=b'0' * 16))
step('name', lambda: put('no/name', rows))
step('missing', lambda: put('missing', rows, 'append'))
`,
  );
  const codes = {
    'no table': 'OPTION_INVALID',
    catalog: 'TABLE_NOT_FOUND',
    option: 'OPTION_INVALID',
    transaction: 'HANDLE_NOT_FOUND',
    name: 'STREAM_NAME_INVALID',
    missing: 'TABLE_NOT_FOUND',
  };
  for (const [name, code] of Object.entries(codes))
    assert.match(steps.failure(name), new RegExp(`${code}: `));
  const samples = await scrape(server);
  const counted = (code: string) => samples.sum('arrowport_errors_total', `code="${code}"`);
  assert.deepEqual(
    ['OPTION_INVALID', 'TABLE_NOT_FOUND', 'HANDLE_NOT_FOUND', 'STREAM_NAME_INVALID'].map(counted),
    [2, 2, 1, 1],
  );
});

test('ADBC ingests into temporary tables in every mode, and by catalog and schema', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `
connection = dbapi.connect(url, autocommit=True)
other = dbapi.connect(url, autocommit=True)
rows = pa.table({'x': [1, 2, 3]})
def ingest(name, mode, data=rows, **options):
    with connection.cursor() as cursor: return cursor.adbc_ingest(name, data, mode=mode, **options)
def count(name, by=connection):
    with by.cursor() as cursor:
        cursor.execute(f'select count(*) from {name}')
        return cursor.fetchone()[0]
step('append to none', lambda: ingest('t', 'append', temporary=True))
step('create', lambda: [ingest('t', 'create', temporary=True), count('t')])
step('create again', lambda: ingest('t', 'create', temporary=True))
step('append', lambda: [ingest('t', 'append', temporary=True), count('t')])
step('create_append', lambda: [ingest('t', 'create_append', temporary=True), count('t'), count('temp.t')])
step('other columns', lambda: ingest('t', 'append', pa.table({'y': ['a']}), temporary=True))
step('replace', lambda: [ingest('t', 'replace', pa.table({'y': ['a']}), temporary=True), count('t')])
step('of another', lambda: count('t', other))
step('lasting beside it', lambda: [ingest('t', 'create'), count('test.main.t'), count('t', other)])
step('temporary still', lambda: count('temp.t'))
step('catalog', lambda: [ingest('c', 'create', catalog_name='test'), count('test.main.c')])
step('catalog and schema', lambda: [ingest('c', 'create', catalog_name='test', db_schema_name='s'), count('test.s.c')])
step('no catalog', lambda: ingest('c', 'append', catalog_name='elsewhere'))
inside = dbapi.connect(url)
def in_transaction():
    with inside.cursor() as cursor:
        cursor.execute('select 1'); cursor.fetchall()
        cursor.adbc_ingest('lasting', rows, mode='create')
    inside.rollback()
    return count('lasting')
step('in a transaction', in_transaction)
inside.close(); other.close(); connection.close()
`,
  );
  assert.match(steps.failure('append to none'), /TABLE_NOT_FOUND: /);
  assert.deepEqual(steps.value('create'), [3, 3]);
  assert.match(steps.failure('create again'), /TABLE_EXISTS: /);
  assert.deepEqual(steps.value('append'), [3, 6]);
  assert.deepEqual(steps.value('create_append'), [3, 9, 9]);
  assert.match(steps.failure('other columns'), /SCHEMA_MISMATCH: /);
  assert.deepEqual(steps.value('replace'), [1, 1]);
  assert.match(steps.failure('of another'), /TABLE_NOT_FOUND: /);
  assert.deepEqual(steps.value('lasting beside it'), [3, 3, 3]);
  assert.equal(steps.value('temporary still'), 1);
  assert.deepEqual(steps.value('catalog'), [3, 3]);
  assert.deepEqual(steps.value('catalog and schema'), [3, 3]);
  assert.match(steps.failure('no catalog'), /TABLE_NOT_FOUND: /);
  assert.equal(steps.value('in a transaction'), 3);
});
