import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import type { LoadIdentity } from '../../../src/core/observer.ts';
import { ArrowportError } from '../../../src/errors.ts';
import { combineObservers } from '../../../src/telemetry/combine-observers.ts';
import { createLogObserver } from '../../../src/telemetry/log-observer.ts';
import { createLogger, type LogFormat, type LogLevel } from '../../../src/telemetry/logger.ts';

const load: LoadIdentity = {
  requestId: 'req-1',
  stream: 'sensors',
  label: null,
  table: 'sensor_readings',
  backend: 'duckdb',
  transport: 'flight',
};

function openLog(level: LogLevel = 'info', format: LogFormat = 'json') {
  const output = new PassThrough();
  const chunks: string[] = [];
  output.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const text = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return chunks.join('');
  };
  const lines = async (): Promise<Record<string, unknown>[]> =>
    (await text())
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  return { ...createLogger({ level, format }, output), text, lines };
}

describe('the logger', () => {
  test('writes JSON lines with a named level and an ISO time', async () => {
    const log = openLog();
    log.logger.info({ stream: 's' }, 'hello');
    const [line] = await log.lines();
    assert.equal(line?.['level'], 'info');
    assert.equal(line?.['msg'], 'hello');
    assert.equal(line?.['stream'], 's');
    assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT/);
  });

  test('the level changes live, for children made before as well', async () => {
    const log = openLog('info');
    const child = log.logger.child({ room: 'http' });
    child.debug('one');
    log.setLevel('debug');
    child.debug('two');
    log.setLevel('error');
    child.warn('three');
    assert.deepEqual(
      (await log.lines()).map((line) => line['msg']),
      ['two'],
    );
  });

  test('credentials are not written, whether in headers, options or texts', async () => {
    const log = openLog();
    log.logger.info({ headers: { authorization: 'Bearer s3cr3t-1' }, token: 's3cr3t-2' }, 'one');
    log.logger.info({ delta: { storage_options: { key: 's3cr3t-3' } } }, 'two');
    log.logger.error({ err: new Error('refused: Bearer s3cr3t-4.abc') }, 'three with bearer s3cr3t-5');
    const text = await log.text();
    assert.match(text, /three/);
    assert.doesNotMatch(text, /s3cr3t/);
  });

  test('the pretty format is for people', async () => {
    const log = openLog('info', 'pretty');
    log.logger.info({ stream: 'sensors' }, 'load committed');
    const text = await log.text();
    assert.match(text, /INFO.*load committed.*sensors/);
    assert.throws(() => JSON.parse(text));
  });

  test('the pretty format says everything once, on one line', async () => {
    const log = openLog('info', 'pretty');
    log.logger.info(
      { caller: 'press-7', pid: 4711, detail: 'no column b\nnor c', request_id: 'r' },
      'request failed',
    );
    log.logger.error({ detail: 'line 3: no', line: 3 }, 'configuration rejected: line 3: no');
    const [first = '', second = ''] = (await log.text()).trimEnd().split('\n');
    assert.match(first, /INFO.*4711.*press-7.*: request failed detail=no column b nor c request_id=r$/);
    assert.equal(first.split('press-7').length, 2);
    assert.match(second, /: configuration rejected: line 3: no line=3$/);
  });

  test('the auto format is JSON where the output is no terminal', async () => {
    const log = openLog('info', 'auto');
    log.logger.info('x');
    assert.equal((await log.lines())[0]?.['msg'], 'x');
  });
});

describe('the log observer', () => {
  test('a committed load is one line with stream, table, rows, bytes, duration, rate and request id', async () => {
    const log = openLog();
    const observer = createLogObserver(log.logger);
    observer.streamOpened(load);
    observer.batchReceived(load, { rows: 10, bytesReceived: 640 });
    observer.loadCommitted(
      load,
      {
        status: 'success',
        stream: 'sensors',
        table: 'sensor_readings',
        storage_backend: 'duckdb',
        rows_processed: 10,
        batches: 1,
        bytes: 640,
        commit_id: '01J',
        version: null,
        replayed: false,
        duration_ms: 20,
        message: '',
      },
      { commitSeconds: 0.002 },
    );
    observer.streamClosed(load);
    const lines = await log.lines();
    assert.equal(lines.length, 1);
    const { time: _time, ...line } = lines[0] ?? {};
    assert.deepEqual(line, {
      level: 'info',
      request_id: 'req-1',
      stream: 'sensors',
      table: 'sensor_readings',
      storage_backend: 'duckdb',
      transport: 'flight',
      rows: 10,
      batches: 1,
      bytes: 640,
      duration_ms: 20,
      commit_ms: 2,
      rows_per_second: 500,
      commit_id: '01J',
      msg: 'load committed',
    });
  });

  test('a schema mismatch is a warning that names the column', async () => {
    const log = openLog();
    const observer = createLogObserver(log.logger);
    observer.loadFailed(
      load,
      new ArrowportError('SCHEMA_MISMATCH', 'column "a" is new', { details: { column: 'a' } }),
    );
    const [line] = await log.lines();
    assert.equal(line?.['level'], 'warn');
    assert.equal(line?.['code'], 'SCHEMA_MISMATCH');
    assert.equal(line?.['column'], 'a');
    assert.match(String(line?.['detail']), /"a"/);
  });

  test('an unexpected error is logged with its own text and stack', async () => {
    const log = openLog();
    const observer = createLogObserver(log.logger);
    observer.loadFailed(
      load,
      new ArrowportError('INTERNAL', 'The server failed', { cause: new Error('disk on fire') }),
    );
    const [line] = await log.lines();
    assert.equal(line?.['level'], 'error');
    const err = line?.['err'] as Record<string, unknown>;
    assert.equal(err['message'], 'disk on fire');
    assert.match(String(err['stack']), /log\.test/);
  });

  test('a refused request is a warning, one that the client gave up or that asks for what is not there is not', async () => {
    const log = openLog();
    const observer = createLogObserver(log.logger);
    const who = { requestId: 'r', transport: 'http', stream: 'x' } as const;
    observer.requestFailed(who, new ArrowportError('OPTION_INVALID', 'no'));
    observer.requestFailed(who, new ArrowportError('CANCELLED', 'gone'));
    observer.requestFailed(who, new ArrowportError('TABLE_NOT_FOUND', 'none'));
    observer.loadFailed(load, new ArrowportError('TABLE_NOT_FOUND', 'none'));
    assert.deepEqual(
      (await log.lines()).map((line) => [line['level'], line['code'], line['outcome']]),
      [
        ['warn', 'OPTION_INVALID', 'rejected'],
        ['info', 'CANCELLED', 'retryable'],
        ['info', 'TABLE_NOT_FOUND', 'rejected'],
        ['warn', 'TABLE_NOT_FOUND', 'rejected'],
      ],
    );
  });

  test('combined observers all see every event', async () => {
    const one = openLog();
    const two = openLog();
    const observer = combineObservers([createLogObserver(one.logger), createLogObserver(two.logger)]);
    observer.loadFailed(load, new ArrowportError('IPC_MALFORMED', 'no'));
    observer.requestFailed(
      { requestId: 'r', transport: 'http', stream: null },
      new ArrowportError('OVERLOADED', 'full'),
    );
    assert.equal((await one.lines()).length, 2);
    assert.equal((await two.lines()).length, 2);
  });
});
