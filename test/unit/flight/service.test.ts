import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { codecs } from '../../../src/endpoints/flight/messages.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { readAttempt, readValue, runClient } from './flight-client.ts';
import { startFlightServer } from './flight-server.ts';
import { connectRaw, frame, readEnd } from './raw-client.ts';

const skip = skipWithoutPython;

test('the actions are listed with what they do, and run', { skip }, async (t) => {
  const reasons: string[] = [];
  const server = await startFlightServer(t, {
    operations: {
      readiness: async () => reasons,
      reload: async () => {
        if (reasons.length > 0) {
          throw new ArrowportError('CONFIG_INVALID', 'arrowport.yaml:3:1: no such key', {
            details: { line: 3, position: 1 },
          });
        }
        return { status: 'applied', changed: ['streams.a'], needs_restart: [] };
      },
    },
    actions: [
      {
        name: 'echo',
        description: 'Says it twice.',
        async *run(body) {
          yield body;
          yield body;
        },
      },
    ],
  });
  const source = `
act = lambda name, body=b'': [result.body.to_pybytes().decode() for result in client.do_action(fl.Action(name, body))]
attempt('list', lambda: {action.type: action.description for action in client.list_actions()})
attempt('healthcheck', lambda: json.loads(act('healthcheck')[0]))
attempt('reload', lambda: json.loads(act('reload')[0]))
attempt('echo', lambda: act('echo', b'hello'))
attempt('unknown', lambda: act('vacuum'))
`;
  const ready = await runClient(server.url, source);
  assert.deepEqual(Object.keys(readValue(ready, 'list') as object), ['healthcheck', 'reload', 'echo']);
  assert.deepEqual(readValue(ready, 'healthcheck'), { status: 'ready', reasons: [], version: '1.2.3' });
  assert.deepEqual(readValue(ready, 'reload'), {
    status: 'applied',
    changed: ['streams.a'],
    needs_restart: [],
  });
  assert.deepEqual(readValue(ready, 'echo'), ['hello', 'hello']);
  assert.equal(readAttempt(ready, 'unknown').error, 'ArrowNotImplementedError');
  assert.match(
    String(readAttempt(ready, 'unknown').message),
    /"vacuum"; known are healthcheck, reload, echo/,
  );

  reasons.push('duckdb: the file is locked');
  const unready = await runClient(server.url, source);
  assert.deepEqual(readValue(unready, 'healthcheck'), { status: 'unavailable', reasons, version: '1.2.3' });
  assert.equal(readAttempt(unready, 'reload').error, 'ArrowInvalid');
  assert.match(
    String(readAttempt(unready, 'reload').message),
    /CONFIG_INVALID: arrowport.yaml:3:1: no such key/,
  );
});

test('every handshake is answered, and its token can be sent back', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const attempts = await runClient(
    server.url,
    `
class Handler(fl.ClientAuthHandler):
    def authenticate(self, outgoing, incoming):
        outgoing.write(b'hello')
        self.token = incoming.read()
    def get_token(self):
        return self.token
def basic():
    token = client.authenticate_basic_token('user', 'password', fl.FlightCallOptions(timeout=100))
    put(path('s'), table, fl.FlightCallOptions(headers=[token]))
    return [part.decode() for part in token]
def handler():
    handler = Handler()
    client.authenticate(handler, fl.FlightCallOptions(timeout=100))
    put(path('s'), table)
    return handler.token.decode()
attempt('basic', basic)
attempt('handler', handler)
`,
  );
  assert.deepEqual(readValue(attempts, 'basic'), ['authorization', 'Bearer anonymous']);
  assert.equal(readValue(attempts, 'handler'), '');
  assert.equal(server.loads.filter(({ receipt }) => receipt !== null).length, 2);
});

test('calls that are not offered say so at once, and writers among them are not left hanging', {
  skip,
}, async (t) => {
  const server = await startFlightServer(t);
  const attempts = await runClient(
    server.url,
    `
def exchange():
    writer, reader = client.do_exchange(path('s'))
    writer.begin(table.schema)
    while True: writer.write_table(table)
attempt('ListFlights', lambda: list(client.list_flights()))
attempt('GetFlightInfo', lambda: client.get_flight_info(path('s')))
attempt('GetSchema', lambda: client.get_schema(path('s')))
attempt('DoGet', lambda: client.do_get(fl.Ticket(b's')).read_all())
attempt('DoExchange', exchange)
`,
  );
  for (const [name, attempt] of attempts) {
    assert.equal(attempt.error, 'ArrowNotImplementedError', name);
    assert.match(String(attempt.message), new RegExp(`UNIMPLEMENTED: ${name} is not offered`), name);
  }
  const { call } = connectRaw(t, server.port);
  const poll = call('PollFlightInfo');
  poll.end(frame(Buffer.alloc(0)));
  assert.equal((await readEnd(poll)).status, '12');
  assert.deepEqual(server.logged, []);
});

test('requests that are not their message, too large or of no such method are refused', async (t) => {
  const server = await startFlightServer(t);
  const { call } = connectRaw(t, server.port);
  const garbled = call('DoAction');
  garbled.end(frame(Buffer.from([0x0b, 0xff])));
  const end = await readEnd(garbled);
  assert.equal(end.status, '3');
  assert.equal(end.trailers['arrowport-error-code'], 'OPTION_INVALID');
  const endless = call('DoAction');
  endless.write(frame(Buffer.alloc(20 * 1024 * 1024)));
  assert.equal((await readEnd(endless)).resetCode, 11);
  const nothing = call('DoNothing');
  nothing.end(frame(Buffer.alloc(0)));
  assert.equal((await readEnd(nothing)).status, '12');
});

test('a request over HTTP/2 that is no call of gRPC is told where it belongs', async (t) => {
  const { port } = await startFlightServer(t);
  const { session } = connectRaw(t, port);
  for (const [method, body] of [
    ['GET', ''],
    ['POST', 'x'.repeat(3_000_000)],
  ] as const) {
    const request = session.request(
      { ':method': method, ':path': '/query' },
      { endStream: method === 'GET' },
    );
    if (method === 'POST') request.end(body);
    const [headers] = (await once(request, 'response')) as [Readonly<Record<string, unknown>>];
    assert.equal(headers[':status'], 415);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const problem = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { code: string; detail: string };
    assert.equal(problem.code, 'MEDIA_TYPE_UNSUPPORTED');
    assert.match(problem.detail, /HTTP\/1\.1/);
  }
});

test('an action that fails unexpectedly says so in the log, and to the client only that it did', async (t) => {
  const server = await startFlightServer(t, {
    operations: {
      readiness: async () => {
        throw new Error('the password is hunter2');
      },
    },
  });
  const failing = connectRaw(t, server.port).call('DoAction', { 'x-request-id': 'request-7' });
  failing.end(frame(codecs.action.encode({ type: 'healthcheck', body: Buffer.alloc(0) })));
  const { status, message } = await readEnd(failing);
  assert.equal(status, '13');
  assert.match(String(message), /^INTERNAL: /);
  assert.doesNotMatch(String(message), /hunter2/);
  const [line] = server.logged as { err?: Error; request_id?: string }[];
  assert.match(String(line?.err), /hunter2/);
  assert.equal(line?.request_id, 'request-7');
});

test('every answer carries its request id: the one of the client, or a new one', async (t) => {
  const server = await startFlightServer(t);
  const { call } = connectRaw(t, server.port);
  const readTrailers = async (headers?: Record<string, string>) => {
    const refused = call('DoPut', headers);
    refused.end();
    return (await readEnd(refused)).trailers;
  };
  const trailers = await readTrailers({ 'x-request-id': 'load-7' });
  assert.equal(trailers['arrowport-request-id'], 'load-7');
  assert.equal(trailers['arrowport-outcome'], 'rejected');
  for (const headers of [{}, { 'x-request-id': 'two words' }]) {
    assert.match(String((await readTrailers(headers))['arrowport-request-id']), /^[0-9a-f-]{36}$/);
  }
});

test('gRPC messages that cannot be decompressed, or only by other servers, are the client’s fault', async (t) => {
  const server = await startFlightServer(t);
  const { call } = connectRaw(t, server.port);
  const compressed = frame(Buffer.from('not gzip'));
  compressed[0] = 1;
  for (const [encoding, code] of [
    ['gzip', 'IPC_MALFORMED'],
    ['snappy', 'CODEC_UNSUPPORTED'],
  ] as const) {
    for (const method of ['DoPut', 'DoAction']) {
      const stream = call(method, { 'grpc-encoding': encoding });
      stream.end(compressed);
      const { status, trailers } = await readEnd(stream);
      assert.equal(status, '3', method);
      assert.equal(trailers['arrowport-error-code'], code, method);
    }
  }
});

test('bytes that are no HTTP/2 after its preface harm nobody', async (t) => {
  const server = await startFlightServer(t);
  for (let round = 0; round < 30; round++) {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    if (round % 2 === 0) socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.write(randomBytes(200));
    const closed = once(socket.resume(), 'close');
    if (round % 3 === 0) socket.resetAndDestroy();
    else socket.end();
    await closed;
  }
  const refused = connectRaw(t, server.port).call('DoPut');
  refused.end();
  assert.equal((await readEnd(refused)).status, '3');
});
