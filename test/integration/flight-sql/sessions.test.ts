import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

/** Messages of Flight SQL by hand: what no Python client sends. */
const messages = `
def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n])
def field(number, value):
    if isinstance(value, int): return varint(number << 3) + varint(value)
    if isinstance(value, str): value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value
def wrapped(name, body): return field(1, 'type.googleapis.com/arrow.flight.protocol.sql.' + name) + field(2, body)
def command(name, body): return fl.FlightDescriptor.for_command(wrapped(name, body))
client = fl.connect(url)
def act(name, body, raw=False):
    results = list(client.do_action(fl.Action(name, body if raw else wrapped('Action' + name + 'Request', body))))
    return results[0].body.to_pybytes() if results else b''
def begin(): return act('BeginTransaction', b'')[-16:]
def end(transaction, action): return act('EndTransaction', field(1, transaction) + field(2, action))
def query(sql, transaction=None, to=None):
    body = field(1, sql) + (field(2, transaction) if transaction else b'')
    info = (to or client).get_flight_info(command('CommandStatementQuery', body))
    return (to or client).do_get(info.endpoints[0].ticket).read_all().to_pylist()
def ingest(table, rows, absent=1, exists=2, temporary=False, transaction=None, schema=None, key=None):
    body = field(1, field(1, absent) + field(2, exists)) + field(2, table)
    if schema: body += field(3, schema)
    if temporary: body += field(5, 1)
    if transaction: body += field(6, transaction)
    if key: body += field(1000, field(1, 'arrowport.idempotency-key') + field(2, key))
    writer, reader = client.do_put(command('CommandStatementIngest', body), rows.schema)
    with writer:
        writer.write_table(rows)
        writer.done_writing()
        return reader.read().to_pybytes().hex()
rows = pa.table({'x': [1, 2, 3]})
other = fl.connect(url, generic_options=[('grpc.use_local_subchannel_pool', 1)])
`;

test('rows ingested in a transaction are seen in it, and by others when it commits', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${messages}
count = 'select count(*) as n from t'
first = begin()
step('ingest', lambda: ingest('t', rows, transaction=first))
step('inside', lambda: query(count, first))
step('outside', lambda: query(count))
step('rollback', lambda: [end(first, 2), 'done'][1])
step('gone', lambda: query(count))
step('ended', lambda: query('select 1', first))
second = begin()
step('again', lambda: [ingest('t', rows, transaction=second), end(second, 1), query(count)][2])
third = begin()
step('fail if there', lambda: ingest('t', rows, exists=1, transaction=third))
end(third, 2)
step('keyed in one', lambda: ingest('t', rows, transaction=begin(), key='k'))
step('keyed', lambda: [ingest('t', rows, key='k'), ingest('t', rows, key='k'), query(count)])
step('unknown transaction', lambda: query('select 1', b'x' * 16))
step('wrong action', lambda: end(begin(), 7))
step('savepoint', lambda: act('BeginSavepoint', field(1, begin()) + field(2, 's')))
step('substrait', lambda: client.get_flight_info(command('CommandStatementSubstraitPlan', b'')))
`,
  );
  assert.equal(steps.value('ingest'), '0803');
  assert.deepEqual(steps.value('inside'), [{ n: 3 }]);
  assert.match(steps.failure('outside'), /TABLE_NOT_FOUND: /);
  assert.equal(steps.value('rollback'), 'done');
  assert.match(steps.failure('gone'), /TABLE_NOT_FOUND: /);
  assert.match(steps.failure('ended'), /HANDLE_NOT_FOUND: /);
  assert.deepEqual(steps.value('again'), [{ n: 3 }]);
  assert.match(steps.failure('fail if there'), /TABLE_EXISTS: /);
  assert.match(steps.failure('keyed in one'), /OPTION_INVALID: /);
  assert.deepEqual(steps.value('keyed'), ['0803', '0803', [{ n: 6 }]]);
  assert.match(steps.failure('unknown transaction'), /HANDLE_NOT_FOUND: /);
  assert.match(steps.failure('wrong action'), /OPTION_INVALID: /);
  assert.match(steps.failure('savepoint'), /There is no action|UNIMPLEMENTED/);
  assert.match(steps.failure('substrait'), /UNIMPLEMENTED: /);
});

test('temporary tables and options live as long as their session, and are nobody else’s', {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `${messages}
step('temporary', lambda: [ingest('scratch', rows, temporary=True), query('select sum(x)::integer as s from scratch')])
step('other', lambda: query('select * from scratch', to=other))
step('exists', lambda: ingest('scratch', rows, exists=1, temporary=True))
step('replace', lambda: [ingest('scratch', pa.table({'y': ['a']}), exists=3, temporary=True), query('select * from scratch')])
def option(name, value): return field(1, field(1, name) + field(2, field(1, value)))
query('create schema mine'); query('create table mine.t as select 7 as seven')
step('set', lambda: act('SetSessionOptions', option('schema', 'mine'), raw=True).hex())
step('used', lambda: query('select * from t'))
step('get', lambda: b'mine' in act('GetSessionOptions', b'', raw=True))
step('unknown', lambda: act('SetSessionOptions', option('colour', 'red'), raw=True).hex())
step('invalid', lambda: act('SetSessionOptions', option('schema', 'nowhere'), raw=True).hex())
step('close', lambda: act('CloseSession', b'', raw=True).hex())
step('closed', lambda: query('select * from scratch'))
step('close again', lambda: act('CloseSession', b'', raw=True).hex())
from adbc_driver_flightsql import dbapi as adbc
with adbc.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    step('adbc', lambda: cursor.adbc_ingest('lap', rows, mode='create', temporary=True))
    def read():
        cursor.execute('select count(*) from lap')
        return cursor.fetchone()[0]
    step('adbc read', read)
`,
  );
  assert.deepEqual(steps.value('temporary'), ['0803', [{ s: 6 }]]);
  assert.match(steps.failure('other'), /TABLE_NOT_FOUND: /);
  assert.match(steps.failure('exists'), /TABLE_EXISTS: /);
  assert.deepEqual(steps.value('replace'), ['0801', [{ y: 'a' }]]);
  assert.equal(steps.value('set'), '');
  assert.deepEqual(steps.value('used'), [{ seven: 7 }]);
  assert.equal(steps.value('get'), true);
  assert.match(String(steps.value('unknown')), /0801$/);
  assert.match(String(steps.value('invalid')), /0802$/);
  assert.equal(steps.value('close'), '0801');
  assert.match(steps.failure('closed'), /TABLE_NOT_FOUND: /);
  assert.equal(steps.value('close again'), '0803');
  assert.equal(steps.value('adbc'), 3);
  assert.equal(steps.value('adbc read'), 3);
});
