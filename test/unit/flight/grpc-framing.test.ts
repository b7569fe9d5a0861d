import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createGrpcFraming } from '../../../src/endpoints/flight/grpc-framing.ts';
import { frame } from './raw-client.ts';

test('a body is inside a message exactly between its message boundaries, however it is cut', () => {
  const bodies = fc.array(fc.nat({ max: 700 }), { maxLength: 5 });
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (lengths, steps) => {
      const body = Buffer.concat(lengths.map((length) => frame(Buffer.alloc(length, 9))));
      const boundaries = new Set([0]);
      lengths.reduce((end, length) => {
        boundaries.add(end + 5 + length);
        return end + 5 + length;
      }, 0);
      const framing = createGrpcFraming();
      for (let position = 0, step = 0; position < body.length; step++) {
        const chunk = body.subarray(position, position + (steps[step % steps.length] ?? 1));
        framing.push(chunk);
        position += chunk.length;
        assert.equal(framing.insideMessage(), !boundaries.has(position), `at ${position}`);
        assert.equal(framing.bytesReceived(), position);
      }
    }),
  );
});
