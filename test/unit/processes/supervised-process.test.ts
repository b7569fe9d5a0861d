import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCommand } from '../../../src/processes/run-command.ts';
import {
  createSupervisedProcess,
  ProcessStartError,
  type SupervisionOptions,
} from '../../../src/processes/supervised-process.ts';
import { patienceMs, waitFor } from '../../support/patience.ts';

const script =
  (source: string): SupervisionOptions['command'] =>
  async () => ({
    program: process.execPath,
    args: ['-e', source],
    environment: process.env,
  });

const timing = { readyTimeoutMs: patienceMs, firstBackoffMs: 10, maxBackoffMs: 100 };
const staysReady = `console.error('hello'); console.log(JSON.stringify({ ready: true, port: 7 })); setInterval(() => {}, 1000)`;

describe('a supervised process', () => {
  it('is started by the first who needs it, once, and hands on its ready line and its stderr', async () => {
    const lines: string[] = [];
    const supervised = createSupervisedProcess({
      ...timing,
      command: script(staysReady),
      onStderrLine: (line) => lines.push(line),
    });
    assert.equal(supervised.current(), undefined);
    const [one, two] = await Promise.all([supervised.running(), supervised.running()]);
    assert.equal(one.pid, two.pid);
    assert.equal(one.ready['port'], 7);
    await waitFor('a line', () => lines.length > 0);
    assert.deepEqual(lines, ['hello']);
    await supervised.stop(1000);
    await assert.rejects(supervised.running(), ProcessStartError);
  });

  it('is started again when it is killed, and counts that', async () => {
    const restarts: number[] = [];
    const supervised = createSupervisedProcess({
      ...timing,
      command: script(staysReady),
      onRestart: (count) => restarts.push(count),
    });
    const first = await supervised.running();
    process.kill(first.pid, 'SIGKILL');
    await waitFor('the end of the first', () => supervised.current()?.pid !== first.pid);
    const second = await supervised.running();
    assert.notEqual(second.pid, first.pid);
    assert.deepEqual(restarts, [1]);
    await supervised.stop(1000);
  });

  it('that ends before it is ready fails those who wait', async () => {
    const supervised = createSupervisedProcess({ ...timing, command: script('process.exit(3)') });
    await assert.rejects(supervised.running(), /exit code 3/);
    await supervised.stop(0);
  });

  it('that says nothing fails when its time is up', async () => {
    const supervised = createSupervisedProcess({
      ...timing,
      readyTimeoutMs: 100,
      command: script('setInterval(() => {}, 1000)'),
    });
    await assert.rejects(supervised.running(), /no ready line/);
    await supervised.stop(0);
  });

  it('that does not heed SIGTERM is killed after the grace', async () => {
    const stubborn = `process.on('SIGTERM', () => {}); ${staysReady}`;
    const supervised = createSupervisedProcess({ ...timing, command: script(stubborn) });
    const { pid } = await supervised.running();
    await supervised.stop(50);
    assert.throws(() => process.kill(pid, 0));
  });
});

describe('a command', () => {
  const options = { environment: process.env };

  it('gives its exit code and what it wrote', async () => {
    const source = `console.log('out'); console.error('err'); process.exit(2)`;
    assert.deepEqual(await runCommand(process.execPath, ['-e', source], options), {
      exitCode: 2,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('that does not exist is undefined', async () => {
    assert.equal(await runCommand('no-such-program-anywhere', [], options), undefined);
  });

  it('that takes too long is ended', async () => {
    const outcome = await runCommand(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      ...options,
      timeoutMs: 100,
    });
    assert.equal(outcome?.exitCode, null);
  });
});
