import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { describe, test } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { ARROW_STREAM, countRows, ipcStream, openDoor, readProblem, readReceipt } from './http-server.ts';

function post(url: string, body: string | Uint8Array | ReadableStream, headers: Record<string, string> = {}) {
  return fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': ARROW_STREAM, ...headers },
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit);
}

describe('ingest over HTTP', () => {
  for (const route of ['/ingest/sensors', '/stream/sensors', '/ingest/sensors/']) {
    test(`POST ${route} answers the receipt`, async (t) => {
      const door = await openDoor(t);
      const body = Buffer.concat(await ipcStream(3, 100));
      const response = await post(door.url + route, body);
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
      const receipt = await readReceipt(response);
      assert.equal(receipt.rows_processed, 300);
      assert.equal(receipt.batches, 3);
      assert.equal(receipt.stream, 'sensors');
    });
  }

  test('a chunked body in pieces of any size is the same stream', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat(await ipcStream(5, 1000));
    let offset = 0;
    let size = 1;
    const pieces = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (offset >= body.length) return controller.close();
        controller.enqueue(body.subarray(offset, offset + size));
        offset += size;
        size = (size * 3) % 4099;
        return undefined;
      },
    });
    const receipt = await readReceipt(await post(`${door.url}/ingest/s`, pieces));
    assert.equal(receipt.rows_processed, 5000);
  });

  test('media types take parameters and any case, and octet-stream is looked at', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat(await ipcStream(1, 10));
    for (const type of ['Application/VND.apache.arrow.stream; charset=binary', 'application/octet-stream']) {
      const response = await post(`${door.url}/ingest/s`, body, { 'content-type': type });
      assert.equal(response.status, 200, type);
    }
  });

  test('an IPC file lands like a stream, named or looked at', { skip: skipWithoutPython }, async (t) => {
    const door = await openDoor(t);
    const file = await arrowBytes("table = pa.table({'n': list(range(1000))})", {
      format: 'file',
      codec: 'zstd',
      batchRows: 300,
    });
    for (const type of ['application/vnd.apache.arrow.file', 'application/octet-stream']) {
      const response = await post(`${door.url}/ingest/s`, file, { 'content-type': type });
      const receipt = await readReceipt(response);
      assert.equal(receipt.rows_processed, 1000);
      assert.equal(receipt.batches, 4);
    }
  });

  const refusedTypes = {
    'text/csv': /with the command "arrowport ingest"/,
    'application/vnd.apache.parquet': /with the command "arrowport ingest"/,
    'application/x-www-form-urlencoded': /With curl, name it: -H/,
    nonsense: /\S/,
    'application/vnd.apache.arrow': /\S/,
  };
  for (const [type, hint] of Object.entries(refusedTypes)) {
    test(`Content-Type ${type} is refused with what to send instead`, async (t) => {
      const door = await openDoor(t);
      const response = await post(`${door.url}/ingest/s`, 'a,b', { 'content-type': type });
      assert.equal(response.status, 415);
      const problem = await readProblem(response);
      assert.equal(problem.code, 'MEDIA_TYPE_UNSUPPORTED');
      assert.match(problem.detail, /application\/vnd\.apache\.arrow\.stream/);
      assert.match(problem.detail, hint);
      assert.equal(door.requests.length, 0);
    });
  }

  test('a request without Content-Type is refused the same way', async (t) => {
    const door = await openDoor(t);
    const status = await new Promise((resolve, reject) => {
      httpRequest(`${door.url}/ingest/s`, { method: 'POST' }, (response) => resolve(response.statusCode))
        .on('error', reject)
        .end('abc');
    });
    assert.equal(status, 415);
    assert.deepEqual(
      door.failures.map((error) => error.code),
      ['MEDIA_TYPE_UNSUPPORTED'],
    );
  });

  const encodings = {
    zstd: zstdCompressSync,
    gzip: gzipSync,
    br: brotliCompressSync,
    identity: (b: Buffer) => b,
  };
  for (const [encoding, compress] of Object.entries(encodings)) {
    test(`Content-Encoding ${encoding} is understood`, async (t) => {
      const door = await openDoor(t);
      const body = compress(Buffer.concat(await ipcStream(4, 5000)));
      const response = await post(`${door.url}/ingest/s`, body, { 'content-encoding': encoding });
      assert.equal(response.status, 200, await response.clone().text());
      assert.equal((await readReceipt(response)).rows_processed, 20_000);
    });
  }

  test('another Content-Encoding is refused', async (t) => {
    const door = await openDoor(t);
    const response = await post(`${door.url}/ingest/s`, 'x', { 'content-encoding': 'compress' });
    assert.equal(response.status, 415);
    assert.equal((await readProblem(response)).code, 'CODEC_UNSUPPORTED');
  });

  test('compressed bodies that are cut or broken are refused, and not with a server error', async (t) => {
    const door = await openDoor(t);
    const whole = zstdCompressSync(Buffer.concat(await ipcStream(4, 5000)));
    const broken: readonly Uint8Array[] = [
      whole.subarray(0, whole.length - 5),
      Buffer.from('no zstd at all'),
    ];
    for (const body of broken) {
      const response = await post(`${door.url}/ingest/s`, body, { 'content-encoding': 'zstd' });
      assert.equal(response.status, 400);
      assert.match(String((await readProblem(response)).code), /^IPC_/);
    }
  });

  test('names that can name no stream are refused before any work', async (t) => {
    const door = await openDoor(t);
    const names = [
      'a%2Fb',
      '..',
      '%2e%2e',
      'a%00b',
      '%zz',
      '%',
      'a/b',
      '-x',
      'x'.repeat(129),
      '%C3%A9',
      'a%20b',
      '.hidden',
      '',
    ];
    for (const name of names) {
      for (const prefix of ['ingest', 'stream']) {
        const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
          const { hostname, port } = new URL(door.url);
          const request = httpRequest(
            {
              hostname,
              port,
              path: `/${prefix}/${name}`,
              method: 'POST',
              headers: { 'content-type': ARROW_STREAM },
            },
            (response) => {
              let text = '';
              response.on('data', (chunk) => {
                text += chunk;
              });
              response.on('end', () => resolve({ status: response.statusCode, text }));
            },
          );
          request.on('error', reject);
          request.end('abc');
        });
        assert.equal(answer.status, 400, `${name}: ${answer.text}`);
        assert.equal(JSON.parse(answer.text).code, 'STREAM_NAME_INVALID', name);
      }
    }
    assert.equal(door.requests.length, 0);
    assert.equal(door.failures.length, names.length * 2);
  });

  test('the longest name and percent-encoded letters are fine', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat(await ipcStream(1, 1));
    assert.equal((await post(`${door.url}/ingest/${'x'.repeat(128)}`, body)).status, 200);
    assert.equal((await post(`${door.url}/ingest/%73ensors`, body)).status, 200);
    assert.equal(door.requests[1]?.stream, 'sensors');
  });

  test('an unknown query parameter is refused, not ignored', async (t) => {
    const door = await openDoor(t);
    const response = await post(`${door.url}/ingest/s?mode=overwrite`, 'x');
    assert.equal(response.status, 422);
    const problem = await readProblem(response);
    assert.equal(problem.code, 'OPTION_INVALID');
    assert.match(problem.detail, /"mode"/);
  });

  test('an Idempotency-Key is passed on; one that is empty, too long or not visible ASCII is refused', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat(await ipcStream(1, 1));
    const good = await post(`${door.url}/ingest/s`, body, { 'idempotency-key': 'load-2024:~1' });
    assert.equal(good.status, 200);
    assert.equal(door.requests[0]?.idempotencyKey, 'load-2024:~1');
    for (const key of ['', 'a b', 'x'.repeat(256), 'caf\u00e9']) {
      const response = await post(`${door.url}/ingest/s`, body, { 'idempotency-key': key });
      assert.equal(response.status, 422, JSON.stringify(key));
      assert.equal((await readProblem(response)).code, 'OPTION_INVALID');
    }
  });

  test('a body over limits.max_body_bytes is refused, declared or not, and the limit follows the settings', async (t) => {
    const door = await openDoor(t, { settings: { maxBodyBytes: 1000 } });
    const body = Buffer.concat(await ipcStream(2, 500));
    const declared = await post(`${door.url}/ingest/s`, body);
    assert.equal(declared.status, 413);
    const problem = await readProblem(declared);
    assert.equal(problem.code, 'BODY_TOO_LARGE');
    assert.equal(problem.limit, 'limits.max_body_bytes');
    assert.equal(door.requests.length, 0);
    const chunked = await post(`${door.url}/ingest/s`, new Blob([body]).stream());
    assert.equal(chunked.status, 413);
    door.settings = { ...door.settings, maxBodyBytes: body.length };
    assert.equal((await post(`${door.url}/ingest/s`, body)).status, 200);
  });

  test('what the ingest path refuses is answered as it says and not told to the observer twice', async (t) => {
    const door = await openDoor(t, {
      ingest: async (request) => {
        await countRows(request);
        throw new ArrowportError('SCHEMA_MISMATCH', 'column "a" is a string here', {
          details: { column: 'a' },
        });
      },
    });
    const response = await post(`${door.url}/ingest/s`, Buffer.concat(await ipcStream(1, 1)), {
      'x-request-id': 'r-7',
    });
    assert.equal(response.status, 409);
    assert.deepEqual(await response.json(), {
      type: '/docs#errors-SCHEMA_MISMATCH',
      title: 'The stream does not fit the table',
      status: 409,
      detail: 'column "a" is a string here',
      code: 'SCHEMA_MISMATCH',
      outcome: 'rejected',
      request_id: 'r-7',
      column: 'a',
    });
    assert.equal(door.failures.length, 0);
  });

  test('the text of an unexpected error stays inside', async (t) => {
    const door = await openDoor(t, { ingest: () => Promise.reject(new Error('secret path /var/db')) });
    const response = await post(`${door.url}/ingest/s`, 'x');
    assert.equal(response.status, 500);
    const text = await response.text();
    assert.equal(JSON.parse(text).code, 'INTERNAL');
    assert.doesNotMatch(text, /secret/);
  });

  test('a body that goes on after its stream is refused', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat([...(await ipcStream(1, 1)), Buffer.from('more')]);
    const response = await post(`${door.url}/ingest/s`, body);
    assert.equal(response.status, 400);
    assert.equal((await readProblem(response)).code, 'IPC_MALFORMED');
  });

  test('many requests share one connection', async (t) => {
    const door = await openDoor(t);
    const body = Buffer.concat(await ipcStream(1, 10));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const ports = new Set<number | undefined>();
    for (let n = 0; n < 20; n++) {
      const status = await new Promise((resolve, reject) => {
        const options = { method: 'POST', agent, headers: { 'content-type': ARROW_STREAM } };
        const request = httpRequest(`${door.url}/ingest/s`, options, (response) => {
          ports.add(response.socket.localPort);
          response.resume().on('end', () => resolve(response.statusCode));
        });
        request.on('error', reject);
        request.end(body);
      });
      assert.equal(status, 200);
    }
    assert.equal(ports.size, 1);
    assert.equal(door.connections.open, 1);
  });
});
