import assert from 'node:assert/strict';
import { platform } from 'node:os';
import { test } from 'node:test';
import { skipWithoutPython } from '../support/python.ts';
import { runSoak } from './soak-run.ts';

const skip =
  platform() === 'linux'
    ? skipWithoutPython
    : 'what a process holds is read from /proc, which only Linux has';
const mebibyte = 1024 * 1024;

test('24 connections that die half-way and come back leave memory and file descriptors where they began', {
  skip,
}, async (t) => {
  const seed = Number(process.env['ARROWPORT_SOAK_SEED'] ?? 1);
  const report = await runSoak(t, { seed, seconds: 15, connections: 24 });
  t.diagnostic(JSON.stringify(report));
  const { before, after } = report;
  assert.deepEqual(report.failures, []);
  assert.ok(report.connectionsOpened > 100, `${report.connectionsOpened} connections`);
  assert.ok(report.flightLoads > 0);
  assert.deepEqual([after.activeStreams, after.inflightBytes], [0, 0]);
  const opened = after.fileDescriptors - before.fileDescriptors;
  assert.ok(opened <= 16, `${opened} file descriptors more, of hundreds of connections`);
  // Whether memory stays there, only the long form can tell: this one is over while the server still warms up.
  assert.ok(after.rssBytes < 1280 * mebibyte, `${after.rssBytes} bytes resident`);
});
