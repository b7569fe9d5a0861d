import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { codecs, descriptorType } from '../../src/endpoints/flight/messages.ts';
import { encodeFlightData } from '../../src/endpoints/flight/wire.ts';
import { startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { readProcessMemory } from '../pressure/memory-watch.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { connectRaw, frame, type RawClient, readEnd } from '../unit/flight/raw-client.ts';
import { describeMutant } from './decoder.ts';
import { findMessages } from './ipc-anatomy.ts';
import { type Mutant, mutate } from './mutate.ts';
import { createRandom, type Random } from './random.ts';
import type { Seed } from './seeds.ts';

/** What became of many mutants at the doors. */
export interface DoorsOutcome {
  readonly answers: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly rssMbBefore: number;
  readonly rssMbAfter: number;
}

const ANSWER_MS = 240_000;
/** gRPC statuses that blame the server. */
const serverStatuses = new Set(['2', '12', '13', '14', '15', 'none']);

/** HTTP and Flight in turn: `both` into DuckDB, `delta` into Delta tables. */
export type FuzzedDoors = 'both' | 'delta';

/**
 * Sends mutants through doors of a server of its own. Throws with seed, number and bytes of the
 * first one that is answered 5xx (or by a gRPC status that blames the server), not answered, or that ends the server;
 * and when the server has logged an error.
 */
export async function fuzzDoors(
  owner: CleanupOwner,
  seeds: readonly Seed[],
  {
    doors = 'both',
    count,
    seed,
    onProgress,
  }: { doors?: FuzzedDoors; count: number; seed: number; onProgress?(done: number): void },
): Promise<DoorsOutcome> {
  const config = 'limits: {max_message_bytes: 16777216}\nlog: {level: warn}\n';
  const server = await (doors === 'delta' ? startDeltaServer(owner, config) : startServer(owner, { config }));
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  owner.after(() => agent.destroy());
  const answers: Record<string, number> = {};
  let slowestMs = 0;
  let rssMbBefore = 0;
  let client: RawClient | null = null;
  const { pid } = server;
  for (let number = 0; number < count; number += 1) {
    if (number === Math.min(2000, Math.floor(count / 4))) rssMbBefore = readProcessMemory(pid).nowMb;
    const random = createRandom(seed + number);
    const mutant = mutate(seeds, random);
    const startedAt = performance.now();
    try {
      let answer: string;
      if (number % 2 === 0) {
        answer = await postMutant(server, agent, mutant, random, doors === 'delta' ? '/delta' : '/ingest');
      } else {
        if (client === null || client.session.destroyed || client.session.closed) {
          client = connectRaw(owner, server.port);
        }
        answer = await putMutant(client, mutant, random, doors === 'delta' ? ['delta'] : []);
      }
      answers[answer] = (answers[answer] ?? 0) + 1;
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      requireSane(server, answer);
    } catch (error) {
      throw new Error(describeMutant(mutant, seed + number), { cause: error });
    }
    if (number % 1000 === 999) onProgress?.(number + 1);
  }
  return { answers, slowestMs, rssMbBefore, rssMbAfter: readProcessMemory(pid).nowMb };
}

function requireSane(server: TestServer, answer: string): void {
  const [door = '', status = ''] = answer.split(' ');
  if (door === 'http' && !(Number(status) >= 200 && Number(status) < 500)) throw new Error(`HTTP ${answer}`);
  if (door === 'flight' && serverStatuses.has(status)) throw new Error(`Flight ${answer}`);
  const errors = server.logs().filter(({ level }) => level === 'error' || level === 'fatal');
  if (errors.length > 0) throw new Error(`The server logged ${JSON.stringify(errors[0])}`);
}

async function postMutant(
  server: TestServer,
  agent: Agent,
  mutant: Mutant,
  random: Random,
  path: string,
): Promise<string> {
  const type = random.pick(['vnd.apache.arrow.stream', 'vnd.apache.arrow.file', 'octet-stream']);
  const outgoing = request({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    path: `${path}/${streamOf(mutant)}`,
    headers: { 'content-type': `application/${type}`, 'content-length': mutant.bytes.byteLength },
    agent,
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  outgoing.end(mutant.bytes);
  const [incoming] = await once(outgoing, 'response');
  let text = '';
  incoming.setEncoding('utf8');
  for await (const part of incoming) text += String(part);
  const { code, status } = JSON.parse(text) as { code?: string; status?: unknown };
  return `http ${incoming.statusCode} ${code ?? status}`;
}

/** As FlightData messages where the mutant still falls into them; else, and sometimes anyway, as whatever bytes it is. */
async function putMutant(
  client: RawClient,
  mutant: Mutant,
  random: Random,
  folder: readonly string[],
): Promise<string> {
  const stream = client.call('DoPut', random.below(20) === 0 ? { 'grpc-encoding': 'gzip' } : {});
  const timer = setTimeout(() => stream.close(8), ANSWER_MS);
  const ended = readEnd(stream);
  for (const message of flightMessages(mutant, random, folder)) {
    const framed = frame(message);
    if (random.below(50) === 0) framed[0] = random.below(256);
    if (random.below(50) === 0) framed.writeUInt32BE(random.below(2 ** 31), 1);
    if (!stream.write(framed)) await Promise.race([once(stream, 'drain'), ended]);
    if (stream.destroyed) break;
  }
  if (!stream.destroyed) stream.end();
  const { status, trailers, resetCode } = await ended;
  clearTimeout(timer);
  if (resetCode === 8) throw new Error('there was no answer');
  return `flight ${status ?? 'none'} ${String(trailers['arrowport-error-code'] ?? '')}`;
}

/** A stream for each seed: what its mutants leave of the schema fits the table, and so gets as far as the backend. */
function streamOf({ seed }: Mutant): string {
  return `fuzz_${seed.replaceAll(/[^\w-]/g, '_')}`;
}

function flightMessages(mutant: Mutant, random: Random, folder: readonly string[]): Buffer[] {
  const { bytes } = mutant;
  const descriptor = codecs.flightDescriptor.encode({
    type: descriptorType.PATH,
    cmd: Buffer.alloc(0),
    path: [...folder, streamOf(mutant)],
  });
  const places = findMessages(bytes);
  const messages = places.map(({ metadata, metadataLength, body, end }, index) =>
    Buffer.from(
      encodeFlightData({
        ...(index === 0 ? { descriptor } : {}),
        header: Buffer.from(bytes.subarray(metadata, metadata + metadataLength)),
        body: Buffer.from(bytes.subarray(body, end)),
      }),
    ),
  );
  if (messages.length === 0) {
    messages.push(
      Buffer.from(encodeFlightData({ descriptor, header: Buffer.from(bytes), body: Buffer.alloc(0) })),
    );
  }
  const [first] = messages;
  // The protobuf around it is as open to changes as what it carries.
  if (first !== undefined && random.below(4) === 0) {
    const changed = random.pick(messages);
    changed[random.below(Math.min(changed.length, 64))] = random.below(256);
  }
  return messages;
}
