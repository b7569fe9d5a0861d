import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import { ArrowportError, type ErrorCode, errorTable } from '../../../src/errors.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { readAttempt, readValue, runClient } from './flight-client.ts';
import { createReceipt, startFlightServer } from './flight-server.ts';

const skip = skipWithoutPython;

test('a PATH or CMD descriptor names the stream, and the last result is the receipt', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const attempts = await runClient(
    server.url,
    `
attempt('path', lambda: put(path('sensors'), table))
attempt('delta', lambda: put(path('delta', 'events'), table))
attempt('command', lambda: put(command(stream_name='s', mode='overwrite', partition_by=['a'], schema_mode='merge', idempotency_key='k'), table))
attempt('header', lambda: put(path('s'), table, fl.FlightCallOptions(headers=[(b'idempotency-key', b'k2')])))
attempt('same key twice', lambda: put(command(stream_name='s', idempotency_key='k3'), table, fl.FlightCallOptions(headers=[(b'idempotency-key', b'k3')])))
attempt('batches', lambda: put(path('sensors'), table, batch_rows=100))
attempt('empty', lambda: put(path('sensors'), table.slice(0, 0)))
`,
  );
  for (const name of attempts.keys()) {
    const receipts = readValue(attempts, name) as CommitReceipt[];
    assert.equal(receipts.length, 1, name);
    assert.equal(receipts[0]?.status, 'success');
  }
  const [byPath, delta, command, header, sameKey, batches] = server.loads;
  assert.deepEqual([byPath?.request.stream, byPath?.request.backend, byPath?.rows], ['sensors', null, 1000]);
  assert.deepEqual([delta?.request.stream, delta?.request.backend], ['events', 'delta']);
  assert.deepEqual(
    [command?.request.mode, command?.request.partitionBy, command?.request.schemaMode],
    ['overwrite', ['a'], 'merge'],
  );
  assert.deepEqual(
    [command, header, sameKey].map((load) => load?.request.idempotencyKey),
    ['k', 'k2', 'k3'],
  );
  assert.deepEqual([batches?.batches, batches?.rows], [10, 1000]);
  assert.equal(byPath?.request.transport, 'flight');
});

test('bad descriptors and keys are refused before any load begins', { skip }, async (t) => {
  const server = await startFlightServer(t);
  const attempts = await runClient(
    server.url,
    `
def without_descriptor():
    writer, reader = client.do_exchange(path('x'))
header = lambda *keys: fl.FlightCallOptions(headers=[(b'idempotency-key', key) for key in keys])
attempt('STREAM_NAME_INVALID', lambda: put(path('a b'), table))
attempt('OPTION_INVALID three parts', lambda: put(path('delta', 'a', 'b'), table))
attempt('OPTION_INVALID unknown key', lambda: put(command(stream_name='s', table='t'), table))
attempt('OPTION_INVALID two keys', lambda: put(command(stream_name='s', idempotency_key='a'), table, header(b'b')))
attempt('OPTION_INVALID two headers', lambda: put(path('s'), table, header(b'a', b'b')))
attempt('OPTION_INVALID empty key', lambda: put(path('s'), table, header(b'')))
`,
  );
  for (const [name, attempt] of attempts) {
    assert.equal(attempt.error, 'ArrowInvalid', name);
    assert.match(String(attempt.message), new RegExp(`${name.split(' ')[0]}: `), name);
  }
  assert.equal(server.loads.length, 0);
  assert.equal(server.refused.length, attempts.size);
});

test('every code of the error table reaches the client as its gRPC status', { skip }, async (t) => {
  const codes = Object.keys(errorTable) as ErrorCode[];
  const server = await startFlightServer(t, {
    onLoad: ({ stream }) => {
      throw new ArrowportError(stream as ErrorCode, `as ${stream}`);
    },
  });
  const attempts = await runClient(
    server.url,
    `for code in ${JSON.stringify(codes)}: attempt(code, lambda: put(path(code), table))`,
  );
  const classes: Partial<Record<(typeof errorTable)[ErrorCode]['grpc'], string>> = {
    CANCELLED: 'FlightCancelledError',
    DEADLINE_EXCEEDED: 'FlightTimedOutError',
    NOT_FOUND: 'ArrowKeyError',
    INVALID_ARGUMENT: 'ArrowInvalid',
    INTERNAL: 'FlightInternalError',
    UNAVAILABLE: 'FlightUnavailableError',
    UNAUTHENTICATED: 'FlightUnauthenticatedError',
    PERMISSION_DENIED: 'FlightUnauthorizedError',
  };
  for (const code of codes) {
    const attempt = readAttempt(attempts, code);
    assert.ok(attempt.error, code);
    const expected = classes[errorTable[code].grpc];
    if (expected !== undefined) assert.equal(attempt.error, expected, code);
    assert.match(String(attempt.message), new RegExp(`${code}: as ${code}`), code);
  }
});

test('the text of an unexpected error does not reach the client', { skip }, async (t) => {
  const server = await startFlightServer(t, {
    onBatch: () => {
      throw new Error('the password is hunter2');
    },
  });
  const attempts = await runClient(server.url, `attempt('put', lambda: put(path('s'), table))`);
  const { error, message } = readAttempt(attempts, 'put');
  assert.equal(error, 'FlightInternalError');
  assert.match(String(message), /INTERNAL: /);
  assert.doesNotMatch(String(message), /hunter2/);
});

test('an error ends a client that is still writing at once', { skip }, async (t) => {
  const server = await startFlightServer(t, {
    onBatch: ({ batches }) => {
      if (batches === 3) throw new ArrowportError('SCHEMA_MISMATCH', 'Column a is not there.');
    },
  });
  const attempts = await runClient(
    server.url,
    `
big = pa.table({'a': pa.array(range(200_000))})
def write_for_ever():
    writer, reader = client.do_put(path('s'), big.schema)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline: writer.write_table(big)
attempt('write', write_for_ever)
def close_after_refusal():
    writer, reader = client.do_put(path('s'), big.schema)
    for _ in range(3): writer.write_table(big)
    time.sleep(0.5)
    writer.close()
attempt('close', close_after_refusal)
`,
  );
  for (const name of ['write', 'close']) {
    const attempt = readAttempt(attempts, name);
    assert.match(String(attempt.message), /SCHEMA_MISMATCH: Column a is not there/, name);
  }
  assert.ok(server.loads.every(({ batches }) => batches === 3));
});

test('each partial commit has its receipt, in order, and the last comes at the end', { skip }, async (t) => {
  const server = await startFlightServer(t, {
    onBatch: async (load) => {
      if (load.batches % 2 === 0) await load.request.onPartialCommit?.(createReceipt(load));
    },
  });
  const attempts = await runClient(
    server.url,
    `attempt('put', lambda: put(path('s'), table, batch_rows=200))`,
  );
  const receipts = readValue(attempts, 'put') as CommitReceipt[];
  assert.deepEqual(
    receipts.map(({ rows_processed }) => rows_processed),
    [400, 800, 1000],
  );
});

test('a client that reads no results is not waited for', { skip }, async (t) => {
  const padding = 'x'.repeat(200_000);
  // Written when the load ends on the server, which the client waits for without reading.
  const finished = join(makeTempFolder(t), 'finished');
  const server = await startFlightServer(t, {
    onBatch: async (load) => {
      await load.request.onPartialCommit?.({ ...createReceipt(load), message: padding });
      if (load.batches === 200) writeFileSync(finished, '');
    },
  });
  const attempts = await runClient(
    server.url,
    `
import os
def write_only():
    writer, reader = client.do_put(path('s'), table.schema)
    writer.write_table(table, 5)
    writer.done_writing()
    deadline = time.monotonic() + 100
    while not os.path.exists(${JSON.stringify(finished)}):
        if time.monotonic() > deadline: raise TimeoutError('the load waits for its client')
        time.sleep(0.05)
    writer.close()
attempt('put', write_only)
`,
  );
  readValue(attempts, 'put');
  assert.equal(server.loads[0]?.batches, 200);
  assert.ok(server.loads[0]?.receipt);
});

test('one message of 200 MB passes, and one over the limit is named with it', { skip }, async (t) => {
  const server = await startFlightServer(t, { settings: { maxMessageBytes: 220_000_000 } });
  const attempts = await runClient(
    server.url,
    `
import numpy as np
attempt('200 MB', lambda: put(path('s'), pa.table({'a': np.zeros(25_000_000)})))
attempt('240 MB', lambda: put(path('s'), pa.table({'a': np.zeros(30_000_000)})))
attempt('after', lambda: put(path('s'), table))
`,
  );
  readValue(attempts, '200 MB');
  readValue(attempts, 'after');
  assert.equal(server.loads[0]?.rows, 25_000_000);
  const tooLarge = readAttempt(attempts, '240 MB');
  assert.match(
    String(tooLarge.message),
    /BODY_TOO_LARGE: A message of 2400\d+ bytes is over limits.max_message_bytes/,
  );
  assert.equal(server.loads[1]?.error?.code, 'BODY_TOO_LARGE');
});

test('a message just over the limit is BODY_TOO_LARGE too', { skip }, async (t) => {
  const server = await startFlightServer(t, { settings: { maxMessageBytes: 1_000_000 } });
  const attempts = await runClient(
    server.url,
    `attempt('put', lambda: put(path('s'), pa.table({'a': pa.array(range(150_000))})))`,
  );
  assert.match(String(readAttempt(attempts, 'put').message), /BODY_TOO_LARGE: /);
  assert.equal(server.loads[0]?.error?.code, 'BODY_TOO_LARGE');
});
