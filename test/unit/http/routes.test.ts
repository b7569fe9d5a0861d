import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StreamSummary } from '../../../src/core/operations.ts';
import { ArrowportError, errorTable } from '../../../src/errors.ts';
import { openDoor, readProblem } from './http-server.ts';

const sensors: StreamSummary = {
  stream: 'sensors',
  pattern: false,
  table: 'sensor_readings',
  storage_backend: 'duckdb',
  row_count: 3_000_000_000,
  schema: [{ name: 'n', type: 'BIGINT', nullable: true }],
  last_load: { commit_id: '01J', rows: 5, bytes: 320, committed_at: '2026-01-01T00:00:00Z' },
};

describe('the routes beside ingest', () => {
  test('GET /streams lists them, GET /streams/{stream} shows one', async (t) => {
    const door = await openDoor(t, { streams: [sensors] });
    const all = await fetch(`${door.url}/streams`);
    assert.equal(all.status, 200);
    assert.deepEqual(await all.json(), { streams: [sensors] });
    assert.deepEqual(await (await fetch(`${door.url}/streams/sensors`)).json(), sensors);
  });

  test('a stream that nobody knows is TABLE_NOT_FOUND, an impossible name STREAM_NAME_INVALID', async (t) => {
    const door = await openDoor(t);
    const unknown = await fetch(`${door.url}/streams/nothing`);
    assert.equal(unknown.status, 404);
    assert.equal((await readProblem(unknown)).code, 'TABLE_NOT_FOUND');
    for (const name of ['a%2Fb', '%zz']) {
      const impossible = await fetch(`${door.url}/streams/${name}`);
      assert.equal(impossible.status, 400);
      assert.equal((await readProblem(impossible)).code, 'STREAM_NAME_INVALID');
    }
  });

  test('the server is live; it is ready when nothing speaks against it', async (t) => {
    const reasons: string[] = [];
    const door = await openDoor(t, { operations: { readiness: async () => reasons } });
    assert.deepEqual(await (await fetch(`${door.url}/health/live`)).json(), { status: 'live' });
    assert.deepEqual(await (await fetch(`${door.url}/health/ready`)).json(), { status: 'ready' });
    reasons.push('duckdb: disk full');
    const unready = await fetch(`${door.url}/health/ready`);
    assert.equal(unready.status, 503);
    assert.deepEqual(await unready.json(), { status: 'unavailable', reasons: ['duckdb: disk full'] });
  });

  test('metrics answer with and without a trailing slash', async (t) => {
    const door = await openDoor(t);
    for (const path of ['/metrics', '/metrics/']) {
      const response = await fetch(door.url + path);
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
      assert.equal(await response.text(), 'up 1\n');
    }
  });

  test('a reload answers the difference, or the error with its place', async (t) => {
    const door = await openDoor(t, {
      operations: {
        reload: async () => ({ status: 'applied', changed: ['streams.a'], needs_restart: ['port'] }),
      },
    });
    for (const init of [{}, { body: '{}', headers: { 'content-type': 'application/json' } }]) {
      const response = await fetch(`${door.url}/admin/reload`, { method: 'POST', ...init });
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), {
        status: 'applied',
        changed: ['streams.a'],
        needs_restart: ['port'],
      });
    }
    const bad = await openDoor(t, {
      operations: {
        reload: () =>
          Promise.reject(
            new ArrowportError('CONFIG_INVALID', 'arrowport.yaml:3:7: no such key', {
              details: { line: 3, position: 7 },
            }),
          ),
      },
    });
    const response = await fetch(`${bad.url}/admin/reload`, { method: 'POST' });
    assert.equal(response.status, 422);
    const problem = await readProblem(response);
    assert.equal(problem.code, 'CONFIG_INVALID');
    assert.equal(problem.line, 3);
    assert.equal(problem.position, 7);
  });

  test('HEAD works where GET does', async (t) => {
    const door = await openDoor(t, { streams: [sensors] });
    for (const path of [
      '/streams',
      '/streams/sensors',
      '/health/live',
      '/metrics',
      '/openapi.json',
      '/docs',
    ]) {
      const response = await fetch(door.url + path, { method: 'HEAD' });
      assert.equal(response.status, 200, path);
      assert.equal(await response.text(), '');
    }
  });

  test('unknown paths and wrong methods are plain problems with the nearest code', async (t) => {
    const door = await openDoor(t);
    const unknown = await fetch(`${door.url}/nothing/here`);
    assert.equal(unknown.status, 404);
    assert.equal(unknown.headers.get('content-type'), 'application/problem+json');
    const problem = await readProblem(unknown);
    assert.equal(problem.type, 'about:blank');
    assert.equal(problem.code, 'TABLE_NOT_FOUND');
    assert.equal(problem.outcome, 'rejected');
    const wrong = await fetch(`${door.url}/ingest/s`);
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get('allow'), 'POST');
    const put = await fetch(`${door.url}/streams`, { method: 'PUT', body: 'x' });
    assert.equal(put.status, 405);
    assert.equal(put.headers.get('allow'), 'GET, HEAD');
    const undecodable = await fetch(`${door.url}/%zz`);
    assert.equal(undecodable.status, 400);
    assert.equal((await readProblem(undecodable)).type, 'about:blank');
    assert.equal(door.failures.length, 0);
  });

  test('a request id that may stand in a log comes back, another is replaced', async (t) => {
    const door = await openDoor(t);
    const given = await fetch(`${door.url}/health/live`, { headers: { 'x-request-id': 'job-7/a:b' } });
    assert.equal(given.headers.get('x-request-id'), 'job-7/a:b');
    for (const id of ['with space', 'x'.repeat(129), '{}']) {
      const response = await fetch(`${door.url}/nothing`, { headers: { 'x-request-id': id } });
      const made = response.headers.get('x-request-id') ?? '';
      assert.match(made, /^[0-9a-f-]{36}$/);
      assert.equal((await readProblem(response)).request_id, made);
    }
  });

  test('an unexpected error is INTERNAL, its text only told to the observer', async (t) => {
    const door = await openDoor(t, {
      operations: { readiness: () => Promise.reject(new Error('inner secret')) },
    });
    const response = await fetch(`${door.url}/health/ready`);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /inner secret/);
    assert.equal(door.failures[0]?.code, 'INTERNAL');
    assert.equal(String(door.failures[0]?.cause), 'Error: inner secret');
  });

  test('Retry-After is 1 to 30 whole seconds', async (t) => {
    let retryAfterMs = 0;
    const door = await openDoor(t, {
      operations: {
        reload: () => Promise.reject(new ArrowportError('OVERLOADED', 'full', { details: { retryAfterMs } })),
      },
    });
    for (const [milliseconds, seconds] of [
      [0, '1'],
      [1500, '2'],
      [90_000, '30'],
    ] as const) {
      retryAfterMs = milliseconds;
      const response = await fetch(`${door.url}/admin/reload`, { method: 'POST' });
      assert.equal(response.status, 429);
      assert.equal(response.headers.get('retry-after'), seconds);
      assert.equal((await readProblem(response)).retry_after_ms, milliseconds);
    }
  });
});

describe('the description of the API', () => {
  test('has every route, every code and no dangling reference', async (t) => {
    const door = await openDoor(t);
    const response = await fetch(`${door.url}/openapi.json`);
    const text = await response.text();
    const document = JSON.parse(text);
    assert.equal(document.openapi, '3.1.0');
    assert.equal(document.info.version, '1.2.3');
    assert.deepEqual(Object.keys(document.paths).sort(), [
      '/admin/reload',
      '/delta',
      '/delta/{table}',
      '/delta/{table}/changes',
      '/delta/{table}/checkpoint',
      '/delta/{table}/clean-log',
      '/delta/{table}/delete',
      '/delta/{table}/history',
      '/delta/{table}/info',
      '/delta/{table}/merge',
      '/delta/{table}/optimize',
      '/delta/{table}/properties',
      '/delta/{table}/restore',
      '/delta/{table}/rows',
      '/delta/{table}/update',
      '/delta/{table}/vacuum',
      '/delta/{table}/version/{version}',
      '/delta/{table}/z-order',
      '/docs',
      '/health/live',
      '/health/ready',
      '/ingest/{stream}',
      '/metrics',
      '/openapi.json',
      '/stream/{stream}',
      '/streams',
      '/streams/{stream}',
    ]);
    for (const reference of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      assert.ok(document.components.schemas[reference[1] ?? ''], reference[0]);
    }
    assert.doesNotMatch(text, /"\$ref":"(?!#\/components\/schemas\/)/);
    assert.deepEqual(document.components.schemas.Problem.properties.code.enum, Object.keys(errorTable));
    const ingest = document.paths['/ingest/{stream}'].post;
    assert.deepEqual(Object.keys(ingest.requestBody.content), [
      'application/vnd.apache.arrow.stream',
      'application/vnd.apache.arrow.file',
      'application/octet-stream',
      'application/json',
    ]);
    for (const status of ['200', '400', '409', '413', '415', '422', '429', '499', '500', '503', '504']) {
      assert.ok(ingest.responses[status], status);
    }
  });

  test('is a page that loads nothing from anywhere and has an anchor for every code', async (t) => {
    const door = await openDoor(t);
    const response = await fetch(`${door.url}/`);
    assert.equal(new URL(response.url).pathname, '/docs');
    assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
    const page = await response.text();
    assert.doesNotMatch(page, /<script|<link|<img|@import|url\(/);
    for (const code of Object.keys(errorTable)) assert.ok(page.includes(`id="errors-${code}"`), code);
    assert.match(page, /POST<\/b> <code>\/ingest\/\{stream\}/);
  });
});
