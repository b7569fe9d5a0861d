import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codecs, descriptorType } from '../../src/endpoints/flight/messages.ts';
import { encodeFlightData } from '../../src/endpoints/flight/wire.ts';
import { findMessages } from '../fuzz/ipc-anatomy.ts';
import { startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { skipWithoutPython } from '../support/python.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { connectRaw, frame, readEnd } from '../unit/flight/raw-client.ts';
import { type Bomb, makeBombs } from './bombs.ts';
import { readProcessMemory } from './memory-watch.ts';
import { upload } from './producers.ts';

const refusals = /^(DECOMPRESSED_TOO_LARGE|IPC_MALFORMED|BODY_TOO_LARGE)$/;
/** Under 100 ms on a machine of its own, save for br, whose decoder takes as long for the 64 MiB that are free. */
const mostCpuMs = 400;
const mostGrowthMb = 400;

async function cpuSeconds(server: TestServer): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}

/** Sends a bomb twice and tells the least work that its refusal took. */
async function measure(server: TestServer, send: () => Promise<string>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 2; time += 1) {
    const before = await cpuSeconds(server);
    assert.match(await send(), refusals);
    least = Math.min(least, (await cpuSeconds(server)) - before);
  }
  return Math.round(least * 1000);
}

async function put(owner: CleanupOwner, server: TestServer, { body }: Bomb): Promise<string> {
  const descriptor = codecs.flightDescriptor.encode({
    type: descriptorType.PATH,
    cmd: Buffer.alloc(0),
    path: ['bomb'],
  });
  const client = connectRaw(owner, server.port);
  const stream = client.call('DoPut');
  const ended = readEnd(stream);
  for (const [index, place] of findMessages(body).entries()) {
    const header = Buffer.from(body.subarray(place.metadata, place.body));
    const bytes = Buffer.from(body.subarray(place.body, place.end));
    stream.write(frame(encodeFlightData({ ...(index === 0 ? { descriptor } : {}), header, body: bytes })));
  }
  stream.end();
  const { trailers } = await ended;
  client.session.destroy();
  return String(trailers['arrowport-error-code']);
}

const bombs = makeBombs();

for (const door of ['http', 'flight', 'delta'] as const) {
  test(`a megabyte that unfolds to gigabytes is refused before it does, on the door ${door}`, {
    skip: door === 'delta' && skipWithoutPython,
  }, async (t) => {
    const server = await (door === 'delta' ? startDeltaServer(t) : startServer(t));
    const restingMb = readProcessMemory(server.pid).nowMb;
    const cpuMs: Record<string, number> = {};
    for (const bomb of await bombs) {
      if (door === 'flight' && Object.keys(bomb.headers).length > 0) continue;
      const path = door === 'delta' ? '/delta/bomb' : '/ingest/bomb';
      cpuMs[bomb.name] = await measure(server, async () =>
        door === 'flight'
          ? put(t, server, bomb)
          : String((await upload(server, path, bomb.body, bomb.headers)).body['code']),
      );
    }
    t.diagnostic(JSON.stringify(cpuMs));
    for (const [name, ms] of Object.entries(cpuMs)) assert.ok(ms < mostCpuMs, `${name}: ${ms} ms`);
    const { peakMb } = readProcessMemory(server.pid);
    assert.ok(peakMb - restingMb < mostGrowthMb, `${peakMb - restingMb} MB more than at rest`);
    const text = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(text, /^arrowport_inflight_bytes 0$/m);
  });
}
