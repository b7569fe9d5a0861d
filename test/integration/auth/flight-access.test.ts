import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { patienceMs } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { makeTokens } from './tokens.ts';

const needsPython = { skip: skipWithoutPython };
const tokens = makeTokens({
  press: { scopes: ['ingest'], streams: ['sensors*'] },
  reader: { scopes: ['read'] },
  operator: { scopes: ['admin'] },
  gone: { scopes: ['ingest', 'read', 'admin'], expires: '2020-01-01T00:00:00Z' },
});
const { press, reader, operator, gone } = tokens.secrets;

/** Python that has a client, the tokens, and `code(run)`: `ok`, or the name of the error and the first word of its text. */
const prelude = `
import json, os, sys
import pyarrow as pa
import pyarrow.flight as fl
url, tokens = sys.argv[1], json.loads(sys.argv[2])
client = fl.FlightClient(url)
table = pa.table({'id': [1, 2, 3]})
def options(*values):
    return fl.FlightCallOptions(headers=[(b'authorization', v.encode() if isinstance(v, str) else v) for v in values], timeout=200)
def bearer(name):
    return options('Bearer ' + tokens[name])
def put(call_options, path=('sensors',), command=None):
    descriptor = fl.FlightDescriptor.for_command(command) if command else fl.FlightDescriptor.for_path(*path)
    writer, reader = client.do_put(descriptor, table.schema, call_options)
    try:
        writer.write_table(table)
        writer.done_writing()
        return json.loads(reader.read().to_pybytes())
    finally:
        writer.close()
def act(name, call_options, body=b''):
    return [r.body.to_pybytes() for r in client.do_action(fl.Action(name, body), call_options)]
def code(run):
    try:
        run()
        return 'ok'
    except Exception as error:
        text = str(error)
        words = [w.strip(':,.') for w in text.split()]
        known = [w for w in words if w.isupper() and len(w) > 5]
        for secret in tokens.values():
            assert secret[:20] not in text, text
        return type(error).__name__ + ' ' + (known[0] if known else text)
`;

function run<T>(server: TestServer, program: string): Promise<T> {
  return runPythonJson<T>(`${prelude}\n${program}`, [server.flightUrl, JSON.stringify(tokens.secrets)]);
}

let server: TestServer;
before(async (t) => {
  if (skipWithoutPython !== false) return;
  server = await startServer(t as never, {
    config: 'auth: {tokens_file: tokens.yaml}\n',
    files: { 'tokens.yaml': tokens.yaml },
  });
});

const unauthenticated = 'FlightUnauthenticatedError UNAUTHENTICATED';
const forbidden = 'FlightUnauthorizedError FORBIDDEN';

test('every call but Handshake asks for credentials', needsPython, async () => {
  const answers = await run<Record<string, string>>(
    server,
    `
none = options()
print(json.dumps({
  'DoPut': code(lambda: put(none)),
  'DoAction': code(lambda: act('healthcheck', none)),
  'ListActions': code(lambda: list(client.list_actions(none))),
  'ListFlights': code(lambda: list(client.list_flights(options=none))),
  'GetFlightInfo': code(lambda: client.get_flight_info(fl.FlightDescriptor.for_path('sensors'), none)),
  'GetSchema': code(lambda: client.get_schema(fl.FlightDescriptor.for_path('sensors'), none)),
  'DoGet': code(lambda: client.do_get(fl.Ticket(b'x'), none).read_all()),
  'expired': code(lambda: put(bearer('gone'))),
}))`,
  );
  for (const [call, answer] of Object.entries(answers)) assert.match(answer, / UNAUTHENTICATED$/, call);
});

test('a token opens what its scopes and patterns say, and nothing else', needsPython, async () => {
  const answers = await run<Record<string, string>>(
    server,
    `
print(json.dumps({
  'ingest': code(lambda: put(bearer('press'))),
  'ingest of another stream': code(lambda: put(bearer('press'), ('events',))),
  'ingest of another stream by command': code(lambda: put(bearer('press'), command=b'{"stream_name": "events"}')),
  'ingest into another Delta table': code(lambda: put(bearer('press'), ('delta', 'events'))),
  'ingest with read': code(lambda: put(bearer('reader'))),
  'ingest with admin': code(lambda: put(bearer('operator'))),
  'healthcheck with ingest': code(lambda: act('healthcheck', bearer('press'))),
  'actions with ingest': code(lambda: list(client.list_actions(bearer('press')))),
  'reload with ingest': code(lambda: act('reload', bearer('press'))),
  'reload with read': code(lambda: act('reload', bearer('reader'))),
  'reload with admin': code(lambda: act('reload', bearer('operator'))),
  'vacuum with read': code(lambda: act('vacuum', bearer('reader'), b'{"table": "sensors"}')),
  'history with ingest': code(lambda: act('history', bearer('press'), b'{"table": "sensors"}')),
  'rows with ingest': code(lambda: act('read', bearer('press'), b'{"table": "sensors"}')),
  'changes with ingest': code(lambda: act('changes', bearer('press'), b'{"table": "sensors"}')),
  'reading with ingest': code(lambda: client.get_flight_info(fl.FlightDescriptor.for_path('sensors'), bearer('press'))),
}))`,
  );
  assert.deepEqual(answers, {
    ingest: 'ok',
    'ingest of another stream': forbidden,
    'ingest of another stream by command': forbidden,
    'ingest into another Delta table': forbidden,
    'ingest with read': forbidden,
    'ingest with admin': forbidden,
    'healthcheck with ingest': 'ok',
    'actions with ingest': 'ok',
    'reload with ingest': forbidden,
    'reload with read': forbidden,
    'reload with admin': 'ok',
    'vacuum with read': forbidden,
    'history with ingest': forbidden,
    'rows with ingest': forbidden,
    'changes with ingest': forbidden,
    'reading with ingest': forbidden,
  });
});

test('credentials that are none are refused, each on a new connection', needsPython, async () => {
  const answers = await run<Record<string, string>>(
    server,
    `
import base64
def fresh(*values):
    global client
    client = fl.FlightClient(url)
    return code(lambda: put(options(*values)))
good = tokens['press']
print(json.dumps({
  'wrong': fresh('Bearer wrong'),
  'truncated': fresh('Bearer ' + good[:-1]),
  'longer': fresh('Bearer ' + good + 'x'),
  'bare': fresh(good),
  'basic': fresh('Basic ' + base64.b64encode(('x:' + good).encode()).decode()),
  'empty': fresh(''),
  'long': fresh('Bearer ' + 'a' * 7000),
  'twice': fresh('Bearer ' + good, 'Bearer ' + good),
  'twice, one wrong': fresh('Bearer wrong', 'Bearer ' + good),
  'twice, the other wrong': fresh('Bearer ' + good, 'Bearer wrong'),
}))`,
  );
  for (const [what, answer] of Object.entries(answers)) assert.equal(answer, unauthenticated, what);
  const large = await run<string>(
    server,
    `print(json.dumps(code(lambda: put(options('Bearer ' + 'a' * 100000)))))`,
  );
  assert.notEqual(large, 'ok');
});

test(
  'a handshake gives a token back for any user name with it as password, and refuses all others',
  needsPython,
  async () => {
    const answers = await run<Record<string, unknown>>(
      server,
      `
def shake(password):
    return code(lambda: client.authenticate_basic_token('anyone', password))
pair = client.authenticate_basic_token('anyone', tokens['press'])
class Older(fl.ClientAuthHandler):
    def __init__(self, password):
        super().__init__()
        self.password, self.token = password, b''
    def authenticate(self, outgoing, incoming):
        outgoing.write(fl.BasicAuth(b'anyone', self.password).serialize())
        self.token = incoming.read()
    def get_token(self):
        return self.token
def older(password):
    global client
    client = fl.FlightClient(url)
    client.authenticate(Older(password))
    return put(fl.FlightCallOptions(timeout=200))
print(json.dumps({
  'token': pair[1].decode() == 'Bearer ' + tokens['press'],
  'put': code(lambda: put(fl.FlightCallOptions(headers=[pair]))),
  'wrong': shake('wrong'),
  'empty': shake(''),
  'expired': shake(tokens['gone']),
  'truncated': shake(tokens['press'][:-1]),
  'NUL': shake(tokens['press'] + chr(0)),
  'newline': shake(tokens['press'] + chr(10)),
  'large': shake('a' * 5000),
  'older': code(lambda: older(tokens['press'].encode())),
  'older, wrong': code(lambda: older(b'wrong')),
  'older, NUL': code(lambda: older(b'a' + bytes([0]))),
  'older, not UTF-8': code(lambda: older(bytes([255, 254]))),
  'older, large': code(lambda: older(b'a' * 1000000)),
}))`,
    );
    const refused = [
      'wrong',
      'empty',
      'expired',
      'truncated',
      'NUL',
      'newline',
      'large',
      'older, wrong',
      'older, NUL',
    ];
    for (const what of refused) assert.equal(answers[what], unauthenticated, what);
    for (const what of ['older, not UTF-8', 'older, large']) assert.notEqual(answers[what], 'ok', what);
    assert.deepEqual([answers['token'], answers['put'], answers['older']], [true, 'ok', 'ok']);
  },
);

/** A call whose headers are written byte by byte: whether it was answered, or its stream ended with its first headers. */
async function callWithHeader(port: number, value: Buffer): Promise<'answered' | 'refused' | 'silent'> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const literal = (name: string, text: Buffer | string) =>
    Buffer.concat([
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([text.length]),
      Buffer.from(text),
    ]);
  const headers = Buffer.concat([
    literal(':method', 'POST'),
    literal(':scheme', 'http'),
    literal(':path', '/arrow.flight.protocol.FlightService/ListActions'),
    literal(':authority', 'localhost'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
    literal('authorization', value),
  ]);
  const empty = Buffer.from([0, 0, 0, 0, 0]);
  socket.write(
    Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      frame(4, 0, 0, Buffer.alloc(0)),
      frame(1, 4, 1, headers),
      frame(0, 1, 1, empty),
    ]),
  );
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.on('error', () => undefined);
  const [headersFrame, resetFrame, endOfStream] = [1, 3, 1];
  let answer: 'answered' | 'refused' | 'silent' = 'silent';
  for (let waited = 0; waited < patienceMs && answer === 'silent'; waited += 20) {
    await sleep(20);
    for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
      const [type, flags = 0] = received.subarray(at + 3);
      if (type === resetFrame) answer = 'refused';
      else if (type === headersFrame && answer === 'silent')
        answer = (flags & endOfStream) === 0 ? 'answered' : 'refused';
    }
  }
  socket.destroy();
  return answer;
}

test('a credential with a NUL or a newline in it is none', needsPython, async () => {
  const good = Buffer.from(`Bearer ${press}`);
  assert.equal(await callWithHeader(server.flightPort, good), 'answered');
  for (const bad of ['\0', '\n', '\r\n', '\r\nx: y']) {
    const answer = await callWithHeader(server.flightPort, Buffer.concat([good, Buffer.from(bad)]));
    assert.equal(answer, 'refused', JSON.stringify(bad));
  }
});

test('what is sent for refused calls takes no memory', needsPython, async () => {
  const resident = async () => {
    const response = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${reader}` } });
    const [, bytes] = /arrowport_memory_bytes\{kind="rss"\} (\S+)/.exec(await response.text()) ?? [];
    return Number(bytes);
  };
  const before = await resident();
  const answers = await run<string[]>(
    server,
    `
import threading
large = pa.table({'id': pa.array(range(4_000_000))})
answers = []
def send():
    own = fl.FlightClient(url)
    writer, reader = own.do_put(fl.FlightDescriptor.for_path('sensors'), large.schema, options('Bearer wrong'))
    def write():
        try:
            for _ in range(20):
                writer.write_table(large)
            writer.done_writing()
        finally:
            writer.close()
    answers.append(code(write))
threads = [threading.Thread(target=send) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(answers))`,
  );
  assert.deepEqual(new Set(answers), new Set([unauthenticated]));
  const grown = (await resident()) - before;
  assert.ok(grown < 150e6, `${Math.round(grown / 1e6)} MB`);
});

test('refused calls are counted by their code', needsPython, async () => {
  const response = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${reader}` } });
  const text = await response.text();
  assert.match(text, /arrowport_errors_total\{code="UNAUTHENTICATED"\} [1-9]/);
  assert.match(text, /arrowport_errors_total\{code="FORBIDDEN"\} [1-9]/);
  for (const secret of [press, reader, operator, gone]) assert.ok(!text.includes(secret));
});
