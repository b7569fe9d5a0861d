import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { patienceMs, waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { waitForLine } from '../../support/server-log.ts';
import { getJson, post } from '../producers.ts';
import { bearer, makeTokens } from './tokens.ts';

const needsPython = { skip: skipWithoutPython };
const tokens = makeTokens({
  press: { scopes: ['ingest'], streams: ['sensors*'] },
  reader: { scopes: ['read'] },
  partner: { scopes: ['read', 'ingest'], streams: ['sensors'] },
  operator: { scopes: ['admin'] },
  gone: { scopes: ['ingest', 'read', 'admin'], expires: '2020-01-01T00:00:00Z' },
});
const { press, reader, partner, operator, gone } = tokens.secrets;
const config = 'auth: {tokens_file: tokens.yaml}\n';
const files = { 'tokens.yaml': tokens.yaml };

async function ask(server: TestServer, method: string, path: string, token?: string) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: token === undefined ? {} : bearer(token),
  });
  const text = await response.text();
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json');
  const body = isProblem ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, code: body['code'], headers: response.headers, text };
}

/** Sends a request head as it is and resolves with what the server says until it has said enough or hangs up. */
function sendRaw(server: TestServer, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => socket.write(head, 'latin1'));
    let answer = '';
    socket.setTimeout(patienceMs, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes('request_id') || answer.includes('100 Continue')) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

test('every operation but health asks for credentials, and says how', async (t) => {
  const server = await startServer(t, { config, files });
  const { paths } = JSON.parse(readFileSync(join(repositoryRoot, 'docs/reference/openapi.json'), 'utf8')) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, 'x'),
    })),
  );
  assert.ok(operations.length > 20);
  for (const { method, path } of [...operations, { method: 'GET', path: '/no/such/path' }]) {
    const answer = await ask(server, method, path);
    if (path.startsWith('/health/')) {
      assert.equal(answer.status, 200, path);
      continue;
    }
    assert.equal(answer.status, 401, `${method} ${path}`);
    assert.equal(answer.code, 'UNAUTHENTICATED');
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
    assert.equal(
      (await ask(server, method, path, gone)).status,
      401,
      `${method} ${path} with an expired token`,
    );
  }
});

test('a token opens what its scopes and patterns say, and nothing else', needsPython, async (t) => {
  const server = await startServer(t, { config, files });
  const body = await arrowBytes('table = pa.table({"id": range(3)})');
  const load = async (stream: string, token: string) =>
    (await post(server, stream, body, bearer(token))).status;
  assert.equal(await load('sensors', press), 200);
  assert.equal(await load('sensors_2', press), 200);
  assert.equal(await load('events', press), 403);
  assert.equal(await load('sensors', partner), 200);
  assert.equal(await load('sensors_2', partner), 403);
  assert.equal(await load('sensors', reader), 403);
  assert.equal(await load('sensors', operator), 403);
  const status = async (method: string, path: string, token: string) =>
    (await ask(server, method, path, token)).status;
  assert.equal(await status('GET', '/streams', press), 403);
  assert.equal(await status('GET', '/streams', reader), 200);
  assert.equal(await status('GET', '/streams/sensors_2', reader), 200);
  assert.equal(await status('GET', '/streams/sensors', partner), 200);
  assert.equal(await status('GET', '/streams/sensors_2', partner), 403);
  assert.equal(await status('GET', '/metrics', reader), 200);
  assert.equal(await status('GET', '/metrics/', press), 403);
  assert.equal(await status('POST', '/admin/reload', reader), 403);
  assert.equal(await status('POST', '/admin/reload', operator), 200);
  for (const verb of [
    'vacuum',
    'optimize',
    'z-order',
    'restore',
    'checkpoint',
    'delete',
    'update',
    'properties',
  ])
    assert.equal(await status('POST', `/delta/x/${verb}`, reader), 403, verb);
  assert.equal(await status('GET', '/delta/sensors_2/rows', partner), 403);
  assert.equal(await status('GET', '/delta/x/history', press), 403);
  for (const token of [press, reader, operator]) {
    assert.equal(await status('GET', '/docs', token), 200);
    assert.equal(await status('GET', '/openapi.json', token), 200);
    assert.equal(await status('GET', '/no/such/path', token), 404);
  }
  const refused = await ask(server, 'POST', '/admin/reload', reader);
  assert.equal(refused.code, 'FORBIDDEN');
  assert.match(refused.text, /\\"reader\\" does not hold the scope admin/);
});

test('lists leave out what a caller may not name', needsPython, async (t) => {
  const server = await startServer(t, { config, files });
  const body = await arrowBytes('table = pa.table({"id": range(3)})');
  for (const stream of ['sensors', 'sensors_2']) await post(server, stream, body, bearer(press));
  const listed = async (token: string) => {
    const response = await fetch(`${server.url}/streams`, { headers: bearer(token) });
    const { streams } = (await response.json()) as { streams: { stream: string }[] };
    return streams.map(({ stream }) => stream).sort();
  };
  assert.deepEqual(await listed(reader), ['sensors', 'sensors_2']);
  assert.deepEqual(await listed(partner), ['sensors']);
});

test('a JSON body cannot name a table that the token is not for', needsPython, async (t) => {
  const server = await startServer(t, { config, files });
  const stream = await arrowBytes('table = pa.table({"id": range(3)})');
  const schema = await arrowBytes('table = pa.table({"id": range(0)})');
  const batch = { arrow_schema: schema.toString('base64'), data: stream.toString('base64') };
  const send = (target: string) =>
    fetch(`${server.url}/stream/sensors_1`, {
      method: 'POST',
      headers: { ...bearer(press), 'content-type': 'application/json' },
      body: JSON.stringify({ config: { stream_name: 'sensors_1', target_table: target }, batch }),
    });
  const forbidden = await send('payroll');
  assert.equal(forbidden.status, 403, await forbidden.text());
  const allowed = await send('sensors_other');
  assert.equal(allowed.status, 200, await allowed.text());
});

test('credentials that are none are refused before a byte of the body is asked for', async (t) => {
  const server = await startServer(t, { config, files });
  const head = (lines: string) =>
    `POST /ingest/sensors HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\ncontent-type: application/vnd.apache.arrow.stream\r\nexpect: 100-continue\r\n${lines}\r\n`;
  for (const [what, lines, expected] of [
    ['none', '', 401],
    ['wrong', 'authorization: Bearer wrong\r\n', 401],
    ['truncated', `authorization: Bearer ${press.slice(0, -1)}\r\n`, 401],
    ['expired', `authorization: Bearer ${gone}\r\n`, 401],
    ['of another scheme', `authorization: Basic ${Buffer.from(`x:${press}`).toString('base64')}\r\n`, 401],
    ['twice', `authorization: Bearer ${press}\r\nAuthorization: Bearer ${press}\r\n`, 401],
    ['twice, one wrong', `authorization: Bearer ${press}\r\nauthorization: Bearer wrong\r\n`, 401],
    ['long', `authorization: Bearer ${'a'.repeat(9000)}\r\n`, 401],
    ['too long for a head', `authorization: Bearer ${'a'.repeat(100_000)}\r\n`, 431],
    ['with a NUL', `authorization: Bearer ${press}\0\r\n`, 400],
    ['with a bare newline', `authorization: Bearer ${press.slice(0, 20)}\n${press.slice(20)}\r\n`, 400],
    ['with a bare carriage return', `authorization: Bearer ${press}\rx\r\n`, 400],
    ['with a folded line', `authorization: Bearer\r\n ${press}\r\n`, 400],
    ['with letters beyond ASCII', `authorization: Bearer ${press}\xfc\r\n`, 401],
  ] as const) {
    const answer = await sendRaw(server, head(lines));
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${expected} `), `${what}: ${answer.slice(0, 200)}`);
    assert.doesNotMatch(answer, /100 Continue/, what);
    assert.ok(!answer.includes(press.slice(0, 20)), what);
  }
  assert.match(await sendRaw(server, head(`authorization: Bearer ${press}\r\n`)), /^HTTP\/1\.1 100 Continue/);
});

test('metrics are public where the configuration says so, also after a reload', async (t) => {
  const server = await startServer(t, {
    config: 'auth: {tokens_file: tokens.yaml, public_metrics: true}\n',
    files,
  });
  assert.equal((await ask(server, 'GET', '/metrics')).status, 200);
  assert.equal((await ask(server, 'GET', '/streams')).status, 401);
  writeFileSync(
    server.configPath,
    readFileSync(server.configPath, 'utf8').replace(', public_metrics: true', ''),
  );
  assert.equal((await ask(server, 'POST', '/admin/reload', operator)).status, 200);
  assert.equal((await ask(server, 'GET', '/metrics')).status, 401);
});

test('a changed file of tokens is live by itself; a bad one changes nothing and is told with its place', async (t) => {
  const server = await startServer(t, { config, files });
  const path = join(server.folder, 'tokens.yaml');
  const statusOf = async (token: string) => (await ask(server, 'GET', '/streams', token)).status;
  assert.equal(await statusOf(reader), 200);
  const next = makeTokens({ other: { scopes: ['read'] } });
  writeFileSync(`${path}.new`, next.yaml);
  renameSync(`${path}.new`, path);
  await waitFor('the new token', async () => (await statusOf(next.secrets.other)) === 200);
  assert.equal(await statusOf(reader), 401);
  writeFileSync(path, `${next.yaml}  - {name: broken, sha256: short, scopes: [read]}\n`);
  const line = await waitForLine(server, ({ level }) => level === 'error');
  assert.match(
    String(line['msg']),
    /tokens rejected, those in force are kept: tokens\.yaml:3:28: tokens\.1\.sha256: expected/,
  );
  assert.deepEqual([line['line'], line['position']], [3, 28]);
  assert.equal(await statusOf(next.secrets.other), 200);
});

test('POST /admin/reload reads the tokens as well, and answers what is wrong with them', async (t) => {
  const server = await startServer(t, { config, files });
  const path = join(server.folder, 'tokens.yaml');
  writeFileSync(path, 'tokens: nonsense\n');
  const bad = await ask(server, 'POST', '/admin/reload', operator);
  assert.deepEqual([bad.status, bad.code], [422, 'CONFIG_INVALID']);
  assert.match(bad.text, /tokens\.yaml:1:9/);
  const next = makeTokens({ boss: { scopes: ['admin'] } });
  writeFileSync(path, next.yaml);
  assert.equal((await ask(server, 'POST', '/admin/reload', operator)).status, 200);
  assert.equal((await ask(server, 'POST', '/admin/reload', operator)).status, 401);
  assert.equal((await ask(server, 'POST', '/admin/reload', next.secrets.boss)).status, 200);
});

test('refusals move the metrics, and a known caller is named in the log', async (t) => {
  const server = await startServer(t, { config, files });
  await ask(server, 'GET', '/streams');
  await ask(server, 'GET', '/streams', press);
  const { text } = await ask(server, 'GET', '/metrics', reader);
  assert.match(text, /arrowport_errors_total\{code="UNAUTHENTICATED"\} 1/);
  assert.match(text, /arrowport_errors_total\{code="FORBIDDEN"\} 1/);
  const forbidden = await waitForLine(server, (line) => line['code'] === 'FORBIDDEN');
  assert.equal(forbidden['caller'], 'press');
});

test('without auth everything is open, whatever credentials come', async (t) => {
  const server = await startServer(t);
  assert.equal((await ask(server, 'GET', '/streams', 'anything')).status, 200);
  assert.equal((await getJson(server, '/delta')).status === 401, false);
});
