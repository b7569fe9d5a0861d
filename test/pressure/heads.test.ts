import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startServer } from '../support/server.ts';
import { connectRaw, readEnd } from '../unit/flight/raw-client.ts';
import { readProcessMemory } from './memory-watch.ts';

test('HTTP heads over 16 KiB are refused before their end, however long they go on', async (t) => {
  const server = await startServer(t);
  for (const line of [`x-long: ${'x'.repeat(20_000)}`, 'x-many: y\r\n'.repeat(2000), 'x'.repeat(2_000_000)]) {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.write(`POST /ingest/s HTTP/1.1\r\nhost: a\r\n${line}\r\n`);
    await new Promise((resolve) => socket.once('close', resolve));
    // Whoever is still sending may see the connection reset before the answer.
    if (line.length < 100_000) assert.match(answer, /^HTTP\/1\.1 431 /);
  }
  assert.equal((await fetch(`${server.url}/health/ready`)).status, 200);
});

test('gRPC metadata beyond measure ends its call or connection, and nobody else', async (t) => {
  const server = await startServer(t);
  const before = readProcessMemory(server.pid).nowMb;
  for (let time = 0; time < 20; time += 1) {
    const client = connectRaw(t, server.port);
    const headers = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`x-${index}`, 'y'.repeat(8000)]),
    );
    const end = await Promise.race([
      readEnd(client.call('DoPut', headers)),
      once(client.session, 'close').then(() => ({ status: undefined })),
    ]);
    assert.notEqual(end.status, '0');
    client.session.destroy();
  }
  assert.equal((await fetch(`${server.url}/health/ready`)).status, 200);
  assert.ok(readProcessMemory(server.pid).nowMb - before < 100);
});
