import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { killWorker } from '../crash/kills.ts';
import { startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { getJson, openIngest, post } from '../integration/producers.ts';
import { arrowBytes } from '../support/arrow.ts';
import { waitFor } from '../support/patience.ts';
import { skipWithoutPython } from '../support/python.ts';
import type { TestServer } from '../support/server.ts';

const skip =
  spawnSync('prlimit', ['--version']).status === 0
    ? skipWithoutPython
    : 'limits of a running process are set by prlimit, which is not there';

function countDescriptors(server: TestServer): number {
  return readdirSync(`/proc/${server.pid}/fd`).length;
}

test('a server without file descriptors left lives on, says so where it needs one, and recovers by itself', {
  skip,
}, async (t) => {
  const server = await startDeltaServer(t, 'streams: {lake: {storage_backend: delta}}\n');
  const body = await arrowBytes('table = pa.table({"x": np.arange(1000) / 3})');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const send = (stream: string) => openIngest(server, stream, agent).finish(body);
  const ready = () =>
    new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port: server.port, path: '/health/ready', agent }, async (incoming) => {
        let text = '';
        for await (const part of incoming) text += String(part);
        resolve(text);
      }).on('error', reject);
    });
  assert.equal((await send('s')).status, 200);
  assert.equal((await send('lake')).status, 200);
  const limit = countDescriptors(server) + 6;
  spawnSync('prlimit', ['--pid', String(server.pid), `--nofile=${limit}:20000`]);
  const crowd: Socket[] = [];
  const crowdIn = () => {
    for (let more = 0; more < 10; more += 1)
      crowd.push(connect(server.port, '127.0.0.1').on('error', () => undefined));
  };
  // The server closes whom it has no descriptor for, and may give back others later.
  await waitFor('the last descriptors taken', () => {
    if (countDescriptors(server) >= limit - 1) return true;
    crowdIn();
    return false;
  });
  // Starting the worker again needs descriptors.
  assert.equal(killWorker(server), true);
  crowdIn();

  assert.equal((await send('s')).status, 200);
  // The first load may still meet the worker as it dies.
  const refused = await waitFor('a refusal', async () => {
    const answer = await send('lake');
    return answer.body['code'] === 'BACKEND_UNAVAILABLE' && answer;
  });
  assert.equal(refused.status, 503, JSON.stringify(refused.body));
  await waitFor('the reason', async () => (await ready()).includes('the Delta worker cannot be started'));

  for (const socket of crowd) socket.destroy();
  await waitFor('free descriptors', () => countDescriptors(server) < limit - 3);
  // A worker is started by whoever needs it.
  await waitFor('the worker', async () => (await send('lake')).status === 200);
  for (const stream of ['s', 'lake']) {
    const { status, body: answer } = await post(server, stream, body);
    assert.equal(status, 200, JSON.stringify(answer));
  }
  assert.equal((await getJson(server, '/health/ready')).status, 200);
  assert.equal((await getJson(server, '/streams/s')).body['row_count'], 3000);
  agent.destroy();
  assert.equal(await server.stop(), 0);
});
