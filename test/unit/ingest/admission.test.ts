import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArrowportError } from '../../../src/errors.ts';
import { type AdmissionOptions, createAdmission } from '../../../src/ingest/admission.ts';
import { createRecorder } from './memory-backend.ts';

const never = new AbortController().signal;

function admissionOf(options: Partial<AdmissionOptions> = {}) {
  const { observer, events } = createRecorder();
  const admission = createAdmission({ maxStreams: 2, maxInflightBytes: 1000, observer, ...options });
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

test('a body above the whole budget is received when nothing else is held', async () => {
  const { admission } = admissionOf();
  const place = await admission.admit(never);
  const small = await place.allocator.allocate(1);
  const huge = Promise.resolve(place.allocator.allocate(5000));
  assert.equal(await isSettled(huge), false);
  small.release();
  assert.equal((await huge).bytes.byteLength, 5000);
});

test('a load that waits too long for memory is OVERLOADED, sooner for its first body than for a later one', async () => {
  const { admission, rejections } = admissionOf({ beginWaitMs: 20, memoryWaitMs: 120 });
  const [a, b] = [await admission.admit(never), await admission.admit(never)];
  await a.allocator.allocate(1000);
  const startedAt = performance.now();
  await assert.rejects(Promise.resolve(b.allocator.allocate(10)), {
    code: 'OVERLOADED',
    details: { limit: 'limits.max_inflight_bytes', retryAfterMs: 1000 },
  });
  assert.ok(performance.now() - startedAt < 100);
  await assert.rejects(Promise.resolve(a.allocator.allocate(10)), { code: 'OVERLOADED' });
  assert.ok(performance.now() - startedAt >= 130);
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
  assert.equal(a.isPressed(), false);
  const waiting = Promise.resolve(b.allocator.allocate(10));
  assert.equal(told, 1);
  assert.equal(a.isPressed(), true);
  held.release();
  await waiting;
  assert.equal(a.isPressed(), false);
  a.leave();
  const again = Promise.resolve(b.allocator.allocate(1000));
  assert.equal(await isSettled(again), false);
  assert.equal(told, 1);
  (await waiting).release();
  (await again).release();
});

test('memory that is there already counts like memory that is handed out', async () => {
  const { admission, inflight } = admissionOf();
  const place = await admission.admit(never);
  const adopted = await place.allocator.adopt?.(new Uint8Array(700));
  const waiting = Promise.resolve(place.allocator.allocate(400));
  assert.equal(await isSettled(waiting), false);
  adopted?.release();
  adopted?.release();
  (await waiting).release();
  assert.deepEqual(inflight(), [700, 0, 400, 0]);
});
