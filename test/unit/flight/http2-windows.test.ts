import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowBytes } from '../../../src/endpoints/flight/http2-windows.ts';

const mebibyte = 1024 * 1024;

test('few streams have wide windows, many share a budget, and none falls under a quarter of a mebibyte', () => {
  assert.deepEqual(
    [1, 4, 5, 16, 64, 256, 100_000].map((streams) => windowBytes(streams) / mebibyte),
    [16, 8, 4, 2, 0.5, 0.25, 0.25],
  );
});
