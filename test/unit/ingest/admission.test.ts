import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArrowportError } from '../../../src/errors.ts';
import { type AdmissionOptions, createAdmission, type Place } from '../../../src/ingest/admission.ts';
import { waitFor } from '../../support/patience.ts';
import { createRecorder } from './memory-backend.ts';

const never = new AbortController().signal;

/** Of the 1340 bytes 1005 are given out; the rest is for a load that must go on. */
function admissionOf(options: Partial<AdmissionOptions> = {}) {
  const { observer, events } = createRecorder();
  const admission = createAdmission({ maxStreams: 2, maxInflightBytes: 1340, observer, ...options });
  const inflight = () => events.filter(({ name }) => name === 'inflightBytes').map(({ args }) => args[0]);
  const rejections = () => events.filter(({ name }) => name === 'admissionRejected').length;
  return { admission, inflight, rejections };
}

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), sleep(10, false)]);
}

test('a load beyond limits.max_streams waits for a place and gets it when one is left', async () => {
  const { admission } = admissionOf();
  const [first] = [await admission.admit(never), await admission.admit(never)];
  const third = admission.admit(never);
  assert.equal(await isSettled(third), false);
  first.leave();
  first.leave();
  assert.equal(await isSettled(third), true);
  const fourth = admission.admit(AbortSignal.timeout(20));
  await assert.rejects(fourth);
});

test('a load that waits too long for its place is OVERLOADED and counted', async () => {
  const { admission, rejections } = admissionOf({ maxStreams: 1, beginWaitMs: 20 });
  await admission.admit(never);
  await assert.rejects(admission.admit(never), {
    code: 'OVERLOADED',
    details: { limit: 'limits.max_streams', retryAfterMs: 1000 },
  });
  assert.equal(rejections(), 1);
});

test('a load whose client leaves while it waits ends with that reason, and the next one gets the place', async () => {
  const { admission, rejections } = admissionOf({ maxStreams: 1 });
  const first = await admission.admit(never);
  const controller = new AbortController();
  const second = admission.admit(controller.signal);
  const third = admission.admit(never);
  const gone = new ArrowportError('CANCELLED', 'gone');
  controller.abort(gone);
  await assert.rejects(second, gone);
  first.leave();
  (await third).leave();
  assert.equal(rejections(), 0);
});

test('while draining nobody is admitted, and who waits hears of it', async () => {
  const { admission } = admissionOf({ maxStreams: 1 });
  const first = await admission.admit(never);
  const waiting = admission.admit(never);
  admission.setDraining();
  await assert.rejects(waiting, { code: 'SHUTTING_DOWN' });
  await assert.rejects(admission.admit(never), { code: 'SHUTTING_DOWN' });
  const lease = await first.allocator.allocate(100);
  assert.equal(lease.bytes.byteLength, 100);
});

test('memory beyond limits.max_inflight_bytes is waited for, in order', async () => {
  const { admission, inflight } = admissionOf();
  const [a, b] = [await admission.admit(never), await admission.admit(never)];
  const first = await a.allocator.allocate(600);
  a.memory.arrived();
  const large = Promise.resolve(b.allocator.allocate(900));
  const small = Promise.resolve(a.allocator.allocate(100));
  assert.equal(await isSettled(large), false);
  // It would fit, but the large one is before it and must not be overtaken for ever.
  assert.equal(await isSettled(small), false);
  first.release();
  first.release();
  assert.equal(await isSettled(large), true);
  assert.equal(await isSettled(small), true);
  (await large).release();
  (await small).release();
  assert.deepEqual(inflight(), [600, 0, 900, 1000, 100, 0]);
});

test('a body above the whole budget is received when nobody else holds any of it', async () => {
  const { admission } = admissionOf();
  const [other, place] = [await admission.admit(never), await admission.admit(never)];
  const small = await other.allocator.allocate(1);
  other.memory.arrived();
  const huge = Promise.resolve(place.allocator.allocate(5000));
  assert.equal(await isSettled(huge), false);
  small.release();
  assert.equal((await huge).bytes.byteLength, 5000);
});

test('a load that waits too long for memory is OVERLOADED, sooner for its first body than for a later one', async () => {
  const { admission, rejections } = admissionOf({ maxStreams: 3, beginWaitMs: 20, memoryWaitMs: 120 });
  const [a, b, c] = [
    await admission.admit(never),
    await admission.admit(never),
    await admission.admit(never),
  ];
  await c.allocator.allocate(1);
  await a.allocator.allocate(1000);
  c.memory.hold(400);
  const refused: string[] = [];
  const wait = async (name: string, place: Place) => {
    const overloaded = {
      code: 'OVERLOADED',
      details: { limit: 'limits.max_inflight_bytes', retryAfterMs: 1000 },
    };
    await assert.rejects(Promise.resolve(place.allocator.allocate(200)), overloaded);
    refused.push(name);
  };
  await Promise.all([wait('a later body', c), wait('a first body', b)]);
  assert.deepEqual(refused, ['a first body', 'a later body']);
  assert.equal(rejections(), 2);
});

test('loads that hold memory are told when one begins to wait for it, until they leave', async () => {
  const { admission } = admissionOf();
  const [a, b] = [await admission.admit(never), await admission.admit(never)];
  let told = 0;
  a.watchPressure(() => {
    told += 1;
  });
  const held = await a.allocator.allocate(1000);
  a.memory.arrived();
  assert.equal(a.isPressed(), false);
  const waiting = Promise.resolve(b.allocator.allocate(10));
  assert.equal(told, 1);
  assert.equal(a.isPressed(), true);
  held.release();
  await waiting;
  assert.equal(a.isPressed(), false);
  a.leave();
  b.memory.arrived();
  const again = Promise.resolve(b.allocator.allocate(1000));
  assert.equal(await isSettled(again), false);
  assert.equal(told, 1);
  (await waiting).release();
  (await again).release();
});

test('a large body counts as held as it comes, not as it was announced', async () => {
  const MiB = 2 ** 20;
  const { admission, inflight } = admissionOf({ maxInflightBytes: 8 * MiB });
  const place = await admission.admit(never);
  const lease = await place.allocator.allocate(6 * MiB);
  assert.equal(lease.bytes.byteLength, 6 * MiB);
  for (let piece = 1; piece <= 6; piece += 1) await lease.admit?.(piece * MiB);
  lease.release();
  lease.release();
  assert.deepEqual(
    inflight().map((bytes) => Number(bytes) / MiB),
    [1, 2, 4, 6, 0],
  );
});

test('loads that each hold half of a body and wait for the other half go on one after another', async () => {
  const MiB = 2 ** 20;
  const { admission } = admissionOf({ maxInflightBytes: 8 * MiB, maxStreams: 9 });
  const bodies = Array.from({ length: 4 }, async () => {
    const place = await admission.admit(never);
    const lease = await place.allocator.allocate(3 * MiB);
    for (let piece = 1; piece <= 3; piece += 1) {
      await sleep(1);
      await lease.admit?.(piece * MiB);
    }
    lease.release();
    return place.memory.held;
  });
  assert.deepEqual(await Promise.all(bodies), [0, 0, 0, 0]);
});

test('what a message unfolds to is counted before other bodies are received, and may take what is kept back', async () => {
  const { admission, inflight } = admissionOf();
  const [a, b] = [await admission.admit(never), await admission.admit(never)];
  const body = await a.allocator.allocate(900);
  a.memory.arrived();
  const other = Promise.resolve(b.allocator.allocate(200));
  const unfolded = await a.memory.unfold(400);
  assert.equal(await isSettled(other), false);
  unfolded();
  body.release();
  (await other).release();
  assert.deepEqual(inflight(), [900, 1300, 900, 0, 200, 0]);
});

test('what is kept back is for one message: with the next one a load waits its turn again', async () => {
  const { admission, inflight } = admissionOf();
  const place = await admission.admit(never);
  const body = await place.allocator.allocate(900);
  place.memory.arrived();
  const unfolded = await place.memory.unfold(400);
  const next = await place.allocator.allocate(20);
  place.memory.arrived();
  const later = Promise.resolve(place.allocator.allocate(10));
  assert.equal(await isSettled(later), false);
  unfolded();
  (await later).release();
  next.release();
  body.release();
  assert.deepEqual(inflight(), [900, 1300, 1320, 920, 930, 920, 900, 0]);
});

test('a load that holds memory which others wait for and sends nothing is ended', async () => {
  const { admission } = admissionOf({ slowMemoryMs: 100 });
  const ended: ArrowportError[] = [];
  const slow = await admission.admit(never, (error: ArrowportError) => ended.push(error));
  slow.setReceiving(true);
  const body = await slow.allocator.allocate(900);
  await sleep(1200);
  assert.equal(ended.length, 0, 'nobody waits');
  const other = await admission.admit(never, (error: ArrowportError) => ended.push(error));
  const waiting = Promise.resolve(other.allocator.allocate(200));
  await waitFor('an end', () => ended.length > 0);
  assert.deepEqual(
    ended.map(({ code, details }) => [code, details.limit]),
    [['OVERLOADED', 'limits.max_inflight_bytes']],
  );
  body.release();
  (await waiting).release();
});

test('a load whose place others wait for and that sends nothing is ended', async () => {
  const { admission } = admissionOf({ maxStreams: 1, slowPlaceMs: 100 });
  const ended: ArrowportError[] = [];
  const slow: Place = await admission.admit(never, (error) => {
    ended.push(error);
    slow.leave();
  });
  slow.setReceiving(true);
  await admission.admit(never);
  assert.deepEqual(
    ended.map(({ code, details }) => [code, details.limit]),
    [['OVERLOADED', 'limits.max_streams']],
  );
});
