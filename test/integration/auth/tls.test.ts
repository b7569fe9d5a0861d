import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { arrowBytes } from '../../support/arrow.ts';
import { createTestAuthority } from '../../support/certificates.ts';
import { waitFor } from '../../support/patience.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { waitForLine } from '../../support/server-log.ts';
import { runCli } from '../../unit/cli/run-cli.ts';
import { arrowStream } from '../producers.ts';
import { askEncrypted } from './encrypted.ts';
import { bearer, makeTokens } from './tokens.ts';

const needsPython = { skip: skipWithoutPython };
const authority = createTestAuthority();
const { cert: ca } = authority;
const tokens = makeTokens({ all: { scopes: ['ingest', 'read', 'admin'] } });
const tlsConfig = 'tls: {cert: server.pem, key: server.key}\n';
const tokenConfig = `${tlsConfig}auth: {tokens_file: tokens.yaml}\n`;
const mutualConfig = 'tls: {cert: server.pem, key: server.key, client_ca: clients.pem}\n';

function serverFiles(certificate = authority.issue()): Record<string, string> {
  return {
    'server.pem': certificate.cert,
    'server.key': certificate.key,
    'tokens.yaml': tokens.yaml,
    'clients.pem': ca,
  };
}

const flightProgram = `
import json, sys
import pyarrow as pa, pyarrow.flight as fl
url, port, ca, token, cert, key = sys.argv[1:7]
extra = {'cert_chain': cert, 'private_key': key} if cert else {}
client = fl.FlightClient(url, tls_root_certs=ca, **extra)
options = fl.FlightCallOptions(headers=[(b'authorization', ('Bearer ' + token).encode())] if token else [], timeout=200)
table = pa.table({'id': list(range(100000))})
try:
    writer, reader = client.do_put(fl.FlightDescriptor.for_path('over_flight'), table.schema, options)
    writer.write_table(table, max_chunksize=10000)
    writer.done_writing()
    print(json.dumps(json.loads(reader.read().to_pybytes())['rows_processed']))
except Exception as error:
    print(json.dumps(type(error).__name__))
`;

function putOverFlight(server: TestServer, token: string, certificate = { cert: '', key: '' }) {
  const args = [server.flightUrl, String(server.flightPort), ca, token, certificate.cert, certificate.key];
  return runPythonJson<number | string>(flightProgram, args);
}

test('HTTP and Flight are encrypted on the one port, and told apart', needsPython, async (t) => {
  const server = await startServer(t, { config: tokenConfig, files: serverFiles() });
  const body = await arrowBytes('table = pa.table({"id": range(3)})');
  const headers = { ...bearer(tokens.secrets.all), 'content-type': arrowStream };
  const loaded = await askEncrypted(`${server.url}/ingest/over_http`, { ca, method: 'POST', headers, body });
  assert.equal(loaded.status, 200, loaded.text);
  assert.equal(await putOverFlight(server, tokens.secrets.all), 100_000);
  assert.equal(await putOverFlight(server, 'wrong'), 'FlightUnauthenticatedError');
  const streams = await askEncrypted(`${server.url}/streams`, { ca, headers });
  assert.match(streams.text, /over_http/);
  assert.match(streams.text, /over_flight/);
  const refused = await askEncrypted(`${server.url}/streams`, { ca });
  assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Bearer']);
});

test('a client that speaks HTTP/1.1 and HTTP/2 gets HTTP/1.1; one that agrees on nothing too', async (t) => {
  const server = await startServer(t, { config: tlsConfig, files: serverFiles() });
  const ask = (alpn?: readonly string[]) =>
    askEncrypted(`${server.url}/health/live`, { ca, ...(alpn === undefined ? {} : { alpn }) });
  for (const alpn of [['h2', 'http/1.1'], ['http/1.1'], undefined]) {
    const answer = await ask(alpn);
    assert.deepEqual([answer.status, answer.protocol], [200, 'TLSv1.3'], String(alpn));
  }
  const older = await askEncrypted(`${server.url}/health/live`, { ca, maxVersion: 'TLSv1.2' });
  assert.deepEqual([older.status, older.protocol], [200, 'TLSv1.2']);
  await assert.rejects(askEncrypted(`${server.url}/health/live`, { ca, maxVersion: 'TLSv1.1' }));
  await assert.rejects(ask(['other']));
});

test('Flight has its own port encrypted as well', needsPython, async (t) => {
  const server = await startServer(t, { config: `${tokenConfig}flight_port: 0\n`, files: serverFiles() });
  assert.notEqual(server.port, server.flightPort);
  assert.equal(await putOverFlight(server, tokens.secrets.all), 100_000);
  assert.equal((await askEncrypted(`${server.url}/health/live`, { ca })).status, 200);
});

test('a client that does not encrypt, sends nonsense or says nothing harms nobody', async (t) => {
  const server = await startServer(t, { config: tlsConfig, files: serverFiles() });
  await assert.rejects(fetch(`http://127.0.0.1:${server.port}/health/live`));
  for (const text of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\xff\xff', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(text, 'latin1'));
    socket.on('error', () => undefined);
    socket.setTimeout(300, () => socket.destroy());
    await once(socket, 'close');
  }
  const idle = connect(server.port, '127.0.0.1');
  idle.on('error', () => undefined);
  await once(idle, 'connect');
  assert.equal((await askEncrypted(`${server.url}/health/live`, { ca })).status, 200);
  const closed = once(idle, 'close');
  assert.equal(await server.stop(), 0);
  await closed;
});

test('another certificate is served soon after its files changed; one that does not fit changes nothing', async (t) => {
  const first = authority.issue();
  const server = await startServer(t, { config: tlsConfig, files: serverFiles(first) });
  const fingerprint = ({ cert }: { cert: string }) => new X509Certificate(cert).fingerprint256;
  const served = async () => (await askEncrypted(`${server.url}/health/live`, { ca })).fingerprint;
  assert.equal(await served(), fingerprint(first));
  const second = authority.issue();
  writeFileSync(join(server.folder, 'server.pem'), second.cert);
  writeFileSync(join(server.folder, 'server.key'), second.key);
  await waitFor('the second certificate', async () => (await served()) === fingerprint(second));
  const rejections = () =>
    server
      .logs()
      .map(({ msg }) => String(msg))
      .filter((text) => text.startsWith('certificates rejected'));
  const before = rejections().length;
  writeFileSync(join(server.folder, 'server.pem'), authority.issue().cert);
  await waitFor('a rejection', () => rejections().length > before);
  assert.match(
    rejections().at(-1) ?? '',
    /certificates rejected, those in force are kept: tls\.key: the file server\.key is not the key of the certificate/,
  );
  assert.equal(await served(), fingerprint(second));
});

test(
  'with client_ca every connection must show a certificate, which then is all that is asked for',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: mutualConfig, files: serverFiles() });
    const client = authority.issue({ commonName: 'worker-1' });
    const stranger = createTestAuthority().issue({ commonName: 'worker-1' });
    const expired = authority.issue({ commonName: 'worker-1', notAfter: new Date(Date.now() - 60_000) });
    const ask = (certificate: object) => askEncrypted(`${server.url}/streams`, { ca, ...certificate });
    assert.equal((await ask(client)).status, 200);
    for (const certificate of [{}, stranger, expired]) await assert.rejects(ask(certificate));
    assert.equal(await putOverFlight(server, '', client), 100_000);
    assert.match(String(await putOverFlight(server, '')), /Unavailable|Error/);
    assert.match(String(await putOverFlight(server, '', stranger)), /Unavailable|Error/);
    const line = await waitForLine(server, ({ stream }) => stream === 'over_flight');
    assert.equal(line['caller'], 'worker-1');
  },
);

test('with client_ca and tokens a certificate holds what its entry says, and a token counts before it', async (t) => {
  const yaml = `${tokens.yaml}  - {name: mesh, certificate: worker-1, scopes: [read]}\n`;
  const config = `${mutualConfig}auth: {tokens_file: tokens.yaml}\n`;
  const server = await startServer(t, { config, files: { ...serverFiles(), 'tokens.yaml': yaml } });
  const known = authority.issue({ commonName: 'worker-1' });
  const unknown = authority.issue({ commonName: 'worker-2' });
  const ask = async (path: string, method: string, options: object) =>
    (await askEncrypted(`${server.url}${path}`, { ca, method, ...options })).status;
  assert.equal(await ask('/streams', 'GET', known), 200);
  assert.equal(await ask('/admin/reload', 'POST', known), 403);
  assert.equal(await ask('/streams', 'GET', unknown), 401);
  const headers = bearer(tokens.secrets.all);
  assert.equal(await ask('/admin/reload', 'POST', { ...unknown, headers }), 200);
  await assert.rejects(ask('/streams', 'GET', { headers }));
});

test(
  'the command line trusts the authority it is given, over both transports, and says what is wrong else',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: tokenConfig, files: serverFiles() });
    const file = join(server.folder, 'rows.arrow');
    writeFileSync(file, await arrowBytes('table = pa.table({"id": range(1000)})'));
    writeFileSync(join(server.folder, 'ca.pem'), ca);
    const env = { ARROWPORT_URL: server.url, ARROWPORT_TOKEN: tokens.secrets.all, ARROWPORT_CA: 'ca.pem' };
    const run = (args: readonly string[], settings: Record<string, string> = env) =>
      runCli(args, { cwd: server.folder, env: settings });
    for (const transport of ['http', 'flight']) {
      const sent = await run(['ingest', 'rows', file, '--transport', transport]);
      assert.equal(sent.code, 0, sent.stderr);
    }
    const listed = await run(['streams', '--json']);
    assert.match(listed.stdout, /"row_count":2000/);
    const untrusted = await run(['streams'], { ...env, ARROWPORT_CA: '' });
    assert.equal(untrusted.code, 3);
    assert.match(untrusted.stderr, /unknown authority: name the file of its authority with --ca/);
    const flight = await run(['ingest', 'rows', file, '--transport', 'flight'], { ...env, ARROWPORT_CA: '' });
    assert.equal(flight.code, 3);
    assert.match(flight.stderr, /unknown authority/);
    const wrong = await run(['streams', '--token', 'wrong']);
    assert.equal(wrong.code, 1);
    const advice =
      /^refused: UNAUTHENTICATED: The token is not known here: give a good token with ARROWPORT_TOKEN or --token\n$/;
    assert.match(wrong.stderr, advice);
    const wrongFlight = await run(['ingest', 'rows', file, '--transport', 'flight', '--token', 'wrong']);
    assert.equal(wrongFlight.code, 1);
    assert.match(wrongFlight.stderr, advice);
    const other = authority.issue({ dnsNames: ['elsewhere'], addresses: [] });
    writeFileSync(join(server.folder, 'server.pem'), other.cert);
    writeFileSync(join(server.folder, 'server.key'), other.key);
    await waitFor('the other certificate', async () => (await run(['streams'])).code !== 0);
    for (const args of [['streams'], ['ingest', 'rows', file, '--transport', 'flight']]) {
      const elsewhere = await run(args);
      assert.equal(elsewhere.code, 3, elsewhere.stderr);
      assert.match(
        elsewhere.stderr,
        /has a certificate of another name: use the name that it is for in --url/,
      );
    }
    const missing = await run(['streams', '--ca', 'none.pem']);
    assert.equal(missing.code, 2);
    const broken = await run(['streams', '--token', 'two\nlines']);
    assert.equal(broken.code, 2);
    assert.doesNotMatch(broken.stderr, /two/);
  },
);

test('the command line says on both transports when server and URL disagree on TLS, and never that rows may be there', async (t) => {
  const file = 'rows.csv';
  const rows = `n\n${Array.from({ length: 1000 }, (_, row) => row).join('\n')}\n`;
  const encrypts = /^unreachable: http:\/\/localhost:\d+ encrypts its connections: use https:\/\/ in --url$/m;
  for (const config of [tlsConfig, mutualConfig]) {
    const server = await startServer(t, { config, files: { ...serverFiles(), [file]: rows } });
    const run = (...args: readonly string[]) =>
      runCli(args, { cwd: server.folder, env: { ARROWPORT_URL: `http://localhost:${server.port}` } });
    const answers = await Promise.all([
      run('streams'),
      run('ingest', 'rows', file),
      run('ingest', 'rows', file, '--idempotency-key', 'k'),
      run('ingest', 'rows', file, '--transport', 'flight'),
    ]);
    for (const { code, stderr } of answers) {
      assert.equal(code, 3);
      assert.match(stderr, encrypts);
      assert.doesNotMatch(stderr, /may have been committed|sending again/);
    }
    await server.kill();
  }
  const plain = await startServer(t, { files: { [file]: rows } });
  for (const transport of ['http', 'flight']) {
    const { code, stderr } = await runCli(['ingest', 'rows', file, '--transport', transport], {
      cwd: plain.folder,
      env: { ARROWPORT_URL: `https://localhost:${plain.port}` },
    });
    assert.equal(code, 3);
    assert.match(stderr, /does not encrypt: use http:\/\/ in --url/);
    assert.doesNotMatch(stderr, /may have been committed/);
  }
});

/** Connects as a client of a certificate, maybe going on with an earlier session; resolves with whether it was let in. */
function shakeHands(port: number, certificate: { cert: string; key: string }, session?: Buffer) {
  return new Promise<{ isLetIn: boolean; isReused: boolean; session: Buffer | undefined }>((resolve) => {
    const { cert, key } = certificate;
    const options = { host: '127.0.0.1', port, ca, cert, key, ALPNProtocols: ['http/1.1'] };
    const socket = connectTls({ ...options, ...(session === undefined ? {} : { session }) });
    let ticket: Buffer | undefined;
    let answer = '';
    let isReused = false;
    socket.on('session', (next) => {
      ticket = next;
    });
    socket.on('secureConnect', () => {
      isReused = socket.isSessionReused();
      socket.write('GET /streams HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    });
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () =>
      resolve({
        isLetIn: answer.startsWith('HTTP/1.1 200'),
        isReused,
        session: ticket,
      }),
    );
  });
}

test('an authority that is taken out of client_ca is taken out for earlier sessions too', async (t) => {
  const server = await startServer(t, { config: mutualConfig, files: serverFiles() });
  const client = authority.issue({ commonName: 'worker-1' });
  const first = await shakeHands(server.port, client);
  assert.ok(first.isLetIn && first.session !== undefined);
  const again = await shakeHands(server.port, client, first.session);
  assert.deepEqual([again.isLetIn, again.isReused], [true, true]);
  const other = createTestAuthority('Other Authority');
  writeFileSync(join(server.folder, 'clients.pem'), other.cert);
  const stranger = other.issue({ commonName: 'worker-2' });
  await waitFor('the other authority', async () => (await shakeHands(server.port, stranger)).isLetIn);
  assert.equal((await shakeHands(server.port, client)).isLetIn, false);
  assert.equal((await shakeHands(server.port, client, again.session ?? first.session)).isLetIn, false);
});
