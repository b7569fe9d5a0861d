import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBodyPool } from '../../../src/ingest/body-pool.ts';
import { waitFor } from '../../support/patience.ts';

const mebi = 1024 * 1024;

test('a body gets the bytes it asked for, at a multiple of 8, with 64 more behind them', () => {
  const pool = createBodyPool({ retainBytes: mebi });
  for (const length of [0, 1, 63, 4096, 65_471, 65_472, 65_536, 100_001, 5 * mebi + 3]) {
    const { bytes, release } = pool.take(length);
    assert.equal(bytes.byteLength, length);
    assert.equal(bytes.byteOffset % 8, 0);
    assert.ok(bytes.buffer.byteLength - bytes.byteOffset - length >= 64);
    release();
  }
  pool.close();
});

test('memory that was given back is used again', () => {
  const pool = createBodyPool({ retainBytes: 16 * mebi });
  const first = pool.take(mebi);
  const { buffer } = first.bytes;
  first.release();
  assert.ok(pool.idleBytes() >= mebi);
  const second = pool.take(mebi - 1000);
  assert.equal(second.bytes.buffer, buffer);
  assert.equal(pool.idleBytes(), 0);
  second.release();
  pool.close();
});

test('giving a body back twice gives it back once', () => {
  const pool = createBodyPool({ retainBytes: 16 * mebi });
  const lease = pool.take(mebi);
  lease.release();
  lease.release();
  const [a, b] = [pool.take(mebi), pool.take(mebi)];
  assert.notEqual(a.bytes.buffer, b.bytes.buffer);
  pool.close();
});

test('no more idle memory is kept than was allowed', () => {
  const pool = createBodyPool({ retainBytes: 3 * mebi });
  const leases = Array.from({ length: 10 }, () => pool.take(mebi));
  for (const { release } of leases) release();
  assert.ok(pool.idleBytes() <= 3 * mebi);
  assert.ok(pool.idleBytes() > mebi);
  pool.close();
  assert.equal(pool.idleBytes(), 0);
});

test('memory that stays idle is let go, at once and not with the next collection', async () => {
  const pool = createBodyPool({ retainBytes: 16 * mebi, idleMs: 20 });
  const lease = pool.take(mebi);
  lease.release();
  assert.notEqual(pool.idleBytes(), 0);
  await waitFor('nothing idle', () => pool.idleBytes() === 0);
  assert.equal(lease.bytes.buffer.byteLength, 0);
  pool.close();
});

test('what comes back after the pool was closed is not kept', () => {
  const pool = createBodyPool({ retainBytes: 16 * mebi });
  const lease = pool.take(mebi);
  pool.close();
  lease.release();
  assert.equal(pool.idleBytes(), 0);
});

test('no two bodies that are held share a byte, whatever the order of taking and giving back', () => {
  const steps = fc.array(fc.record({ take: fc.boolean(), size: fc.integer({ min: 0, max: 400_000 }) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(steps, (taken) => {
      const pool = createBodyPool({ retainBytes: mebi });
      const held: ReturnType<typeof pool.take>[] = [];
      for (const { take, size } of taken) {
        if (take) held.push(pool.take(size));
        else held.shift()?.release();
        const buffers = held.map(({ bytes }) => bytes.buffer);
        assert.equal(new Set(buffers).size, buffers.length);
        assert.ok(pool.idleBytes() <= mebi);
      }
      pool.close();
    }),
    { numRuns: 50 },
  );
});
