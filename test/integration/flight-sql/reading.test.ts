import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { runSteps } from './python-steps.ts';

const skip = skipWithoutPython;

test('PyArrow lists flights and reads tables and statements', { skip }, async (t) => {
  const server = await startServer(t);
  const steps = await runSteps(
    server.flightUrl,
    `
client = fl.connect(url)
path = fl.FlightDescriptor.for_path
def command(**fields): return fl.FlightDescriptor.for_command(json.dumps(fields).encode())
def put(name, table):
    writer, _ = client.do_put(path(name), table.schema)
    with writer: writer.write_table(table)
def read(descriptor):
    info = client.get_flight_info(descriptor)
    answer = client.do_get(info.endpoints[0].ticket).read_all()
    assert info.schema == answer.schema
    return answer
put('weather', pa.table({'city': ['Oslo', 'Lima'], 'celsius': [4.5, 19.0]}))
put('dotted.name', pa.table({'x': [1]}))
step('list', lambda: [[p.decode() for p in i.descriptor.path] for i in client.list_flights()])
step('list some', lambda: [[p.decode() for p in i.descriptor.path] for i in client.list_flights(b'weath')])
step('listed ticket', lambda: client.do_get(next(client.list_flights(b'weather')).endpoints[0].ticket).read_all().num_rows)
step('table', lambda: read(path('weather')).to_pydict())
step('in schema', lambda: read(path('main', 'weather')).num_rows)
step('quoted', lambda: read(path('dotted.name')).to_pydict())
step('statement', lambda: read(command(sql='select max(celsius) as c from weather')).to_pydict())
step('schema', lambda: client.get_schema(path('weather')).schema.names)
step('empty', lambda: read(command(sql='select 1 as a where false')).schema.names)
def exchange():
    writer, reader = client.do_exchange(command(sql='select celsius from weather where city = ?'))
    with writer:
        writer.begin(pa.schema([('city', pa.string())]))
        writer.write_table(pa.table({'city': ['Lima', 'Oslo', 'Rome']}))
        writer.done_writing()
        return reader.read_all().to_pydict()
step('exchange', exchange)
step('no table', lambda: read(path('nowhere')))
step('no sql', lambda: read(command(query='select 1')))
step('no json', lambda: read(fl.FlightDescriptor.for_command(b'\\x00\\xff')))
step('long path', lambda: read(path('a', 'b', 'c', 'd')))
step('injection', lambda: read(path('weather"; drop table weather; --')))
step('still there', lambda: read(path('weather')).num_rows)
`,
  );
  assert.deepEqual(steps.value('list'), [
    ['main', 'dotted.name'],
    ['main', 'weather'],
  ]);
  assert.deepEqual(steps.value('list some'), [['main', 'weather']]);
  assert.equal(steps.value('listed ticket'), 2);
  assert.deepEqual(steps.value('table'), { city: ['Oslo', 'Lima'], celsius: [4.5, 19] });
  assert.equal(steps.value('in schema'), 2);
  assert.deepEqual(steps.value('quoted'), { x: [1] });
  assert.deepEqual(steps.value('statement'), { c: [19] });
  assert.deepEqual(steps.value('schema'), ['city', 'celsius']);
  assert.deepEqual(steps.value('empty'), ['a']);
  assert.deepEqual(steps.value('exchange'), { celsius: [19, 4.5] });
  assert.match(steps.failure('no table'), /TABLE_NOT_FOUND: /);
  assert.match(steps.failure('no sql'), /OPTION_INVALID: /);
  assert.match(steps.failure('no json'), /OPTION_INVALID: /);
  assert.match(steps.failure('long path'), /OPTION_INVALID: /);
  assert.match(steps.failure('injection'), /TABLE_NOT_FOUND: /);
  assert.equal(steps.value('still there'), 2);
});

test('tickets cannot be forged or used past their time, and can be renewed and cancelled', {
  skip,
}, async (t) => {
  const server = await startServer(t, { config: 'flight_ticket_seconds: 8\n' });
  const steps = await runSteps(
    server.flightUrl,
    `
import time
client = fl.connect(url)
def issue(sql):
    return client.get_flight_info(fl.FlightDescriptor.for_command(json.dumps({'sql': sql}).encode())).endpoints[0]
def read(ticket): return client.do_get(ticket).read_all().num_rows
endpoint = issue('select 1 as a')
ticket = endpoint.ticket.ticket
step('twice', lambda: [read(endpoint.ticket), read(endpoint.ticket)])
def forge(position, length=None):
    forged = bytearray(ticket[:length]); forged[position] ^= 1
    return lambda: read(fl.Ticket(bytes(forged)))
step('forged end', forge(-1))
step('forged middle', forge(len(ticket) // 2))
step('cut', forge(0, 80))
step('nonsense', lambda: read(fl.Ticket(b'weather')))
step('empty', lambda: read(fl.Ticket(b'')))
step('json', lambda: read(fl.Ticket(b'{"sql": "select 1"}')))
# A statement that writes runs once, however often its rows are fetched.
step('create', lambda: read(issue('create table once (x integer)').ticket))
written = issue('insert into once values (1) returning x')
step('written', lambda: [read(written.ticket), read(written.ticket), read(issue('select * from once').ticket)])
def varint(n):
    out = b''
    while n > 127: out += bytes([n & 127 | 128]); n >>= 7
    return out + bytes([n])
def message(field, body): return bytes([field << 3 | 2]) + varint(len(body)) + body
def renew(endpoint): return next(iter(client.do_action(fl.Action('RenewFlightEndpoint', message(1, endpoint.serialize()))))).body.to_pybytes()
renewed = None
def renewing():
    global renewed
    issued = issue('select 2')
    time.sleep(1.2)
    renewed = fl.FlightEndpoint.deserialize(renew(issued))
    return renewed.expiration_time.value > issued.expiration_time.value
step('renew', renewing)
step('renewed', lambda: read(renewed.ticket))
def late():
    while True: read(endpoint.ticket); time.sleep(0.1)
step('late', late)
info = client.get_flight_info(fl.FlightDescriptor.for_command(b'{"sql": "select 3"}'))
step('renew nothing', lambda: list(client.do_action(fl.Action('RenewFlightEndpoint', message(1, b'')))))
step('cancel no ticket', lambda: list(client.do_action(fl.Action('CancelFlightInfo', message(1, message(3, b''))))))
step('renew cut', lambda: list(client.do_action(fl.Action('RenewFlightEndpoint', message(1, endpoint.serialize())[:-9]))))
step('cancel', lambda: next(iter(client.do_action(fl.Action('CancelFlightInfo', message(1, info.serialize()))))).body.to_pybytes().hex())
step('cancelled', lambda: read(info.endpoints[0].ticket))
`,
  );
  assert.deepEqual(steps.value('twice'), [1, 1]);
  for (const name of ['forged end', 'forged middle', 'cut', 'nonsense', 'empty', 'json', 'late', 'cancelled'])
    assert.match(steps.failure(name), /TICKET_INVALID: /, name);
  for (const name of ['renew nothing', 'cancel no ticket', 'renew cut'])
    assert.match(steps.failure(name), /(TICKET|OPTION)_INVALID: /, name);
  assert.deepEqual(steps.value('written'), [1, 1, 1]);
  assert.equal(steps.value('renew'), true);
  assert.equal(steps.value('renewed'), 1);
  assert.equal(steps.value('cancel'), '0801');
});
