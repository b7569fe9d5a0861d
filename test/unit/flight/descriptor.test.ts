import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPutTarget } from '../../../src/endpoints/flight/descriptor.ts';
import { codecs, descriptorType } from '../../../src/endpoints/flight/messages.ts';
import { UnimplementedError } from '../../../src/endpoints/flight/status.ts';
import { ArrowportError, type ErrorCode } from '../../../src/errors.ts';

const none = { backend: null, mode: null, schemaMode: null, partitionBy: null, idempotencyKey: null };

function byPath(...path: string[]): Uint8Array {
  return codecs.flightDescriptor.encode({ type: descriptorType.PATH, cmd: Buffer.alloc(0), path });
}

function byCommand(command: unknown): Uint8Array {
  const cmd = Buffer.isBuffer(command) ? command : Buffer.from(JSON.stringify(command));
  return codecs.flightDescriptor.encode({ type: descriptorType.CMD, cmd, path: [] });
}

function refusal(encoded: Uint8Array | null): ArrowportError {
  try {
    readPutTarget(encoded);
  } catch (error) {
    if (error instanceof ArrowportError) return error;
    throw error;
  }
  throw new Error('The descriptor was accepted.');
}

test('a PATH of one part names the stream', () => {
  assert.deepEqual(readPutTarget(byPath('sensors')), { stream: 'sensors', ...none });
});

test('a PATH of delta and a name forces Delta', () => {
  assert.deepEqual(readPutTarget(byPath('delta', 'events')), {
    stream: 'events',
    ...none,
    backend: 'delta',
    deltaTable: 'events',
  });
});

test('a PATH of only "delta" is a stream of that name', () => {
  assert.deepEqual(readPutTarget(byPath('delta')), { stream: 'delta', ...none });
});

test('a CMD names the stream and every option', () => {
  const command = {
    stream_name: 'sensors',
    storage_backend: 'delta',
    mode: 'overwrite',
    partition_by: ['date', 'site'],
    schema_mode: 'merge',
    idempotency_key: 'load-1',
  };
  assert.deepEqual(readPutTarget(byCommand(command)), {
    stream: 'sensors',
    backend: 'delta',
    mode: 'overwrite',
    partitionBy: ['date', 'site'],
    schemaMode: 'merge',
    idempotencyKey: 'load-1',
  });
});

test('a CMD can merge by keys, and replace the rows of a predicate', () => {
  const merge = { stream_name: 's', storage_backend: 'delta', mode: 'merge', on: ['id'] };
  assert.deepEqual(readPutTarget(byCommand(merge)), {
    stream: 's',
    ...none,
    backend: 'delta',
    mode: 'merge',
    merge: { on: ['id'], whenMatched: 'update', whenNotMatched: 'insert' },
  });
  const clauses = { ...merge, when_matched: 'delete', when_not_matched: 'ignore' };
  assert.deepEqual(readPutTarget(byCommand(clauses)).merge, {
    on: ['id'],
    whenMatched: 'delete',
    whenNotMatched: 'ignore',
  });
  const replace = { stream_name: 's', mode: 'overwrite', predicate: 'id > 1' };
  assert.deepEqual(readPutTarget(byCommand(replace)), {
    stream: 's',
    ...none,
    mode: 'overwrite',
    replacePredicate: 'id > 1',
  });
});

test('a CMD with the stream alone, or with nulls, leaves everything to the route', () => {
  assert.deepEqual(readPutTarget(byCommand({ stream_name: 'sensors' })), { stream: 'sensors', ...none });
  const nulls = {
    stream_name: 'sensors',
    storage_backend: null,
    mode: null,
    partition_by: null,
    idempotency_key: null,
  };
  assert.deepEqual(readPutTarget(byCommand(nulls)), { stream: 'sensors', ...none });
});

test('each bad descriptor is refused with the code that says so', () => {
  const bad: readonly (readonly [string, Uint8Array | null, ErrorCode, RegExp])[] = [
    ['none', null, 'OPTION_INVALID', /must carry a descriptor/],
    ['not protobuf', Buffer.from([0xff, 0xff]), 'OPTION_INVALID', /FlightDescriptor/],
    [
      'unknown type',
      codecs.flightDescriptor.encode({ type: 7, cmd: Buffer.alloc(0), path: [] }),
      'OPTION_INVALID',
      /type 7/,
    ],
    ['no type', Buffer.alloc(0), 'OPTION_INVALID', /type 0/],
    ['empty path', byPath(), 'OPTION_INVALID', /empty/],
    ['two parts', byPath('duckdb', 'events'), 'OPTION_INVALID', /2 parts/],
    ['three parts', byPath('delta', 'a', 'b'), 'OPTION_INVALID', /3 parts/],
    ['empty name', byPath(''), 'STREAM_NAME_INVALID', /stream name/],
    ['bad name', byPath('a; drop table b'), 'STREAM_NAME_INVALID', /stream name/],
    ['climbing name', byPath('delta', '../b'), 'STREAM_NAME_INVALID', /stream name/],
    ['not JSON', byCommand(Buffer.from('{"stream_name":')), 'OPTION_INVALID', /UTF-8 JSON/],
    ['not UTF-8', byCommand(Buffer.from([0x22, 0xff, 0x22])), 'OPTION_INVALID', /UTF-8 JSON/],
    ['empty', byCommand(Buffer.alloc(0)), 'OPTION_INVALID', /UTF-8 JSON/],
    ['a list', byCommand(['sensors']), 'OPTION_INVALID', /JSON object/],
    ['null', byCommand(null), 'OPTION_INVALID', /JSON object/],
    ['no stream', byCommand({}), 'OPTION_INVALID', /stream_name/],
    ['a number', byCommand({ stream_name: 5 }), 'OPTION_INVALID', /stream_name/],
    ['bad name in CMD', byCommand({ stream_name: 'a b' }), 'STREAM_NAME_INVALID', /stream name/],
    ['unknown key', byCommand({ stream_name: 's', stream: 't' }), 'OPTION_INVALID', /unknown key "stream"/],
    [
      'prototype key',
      byCommand(Buffer.from('{"stream_name":"s","__proto__":1}')),
      'OPTION_INVALID',
      /__proto__/,
    ],
    ['backend', byCommand({ stream_name: 's', storage_backend: 'mysql' }), 'OPTION_INVALID', /duckdb, delta/],
    ['mode', byCommand({ stream_name: 's', mode: 'upsert' }), 'OPTION_INVALID', /append, overwrite/],
    ['schema mode', byCommand({ stream_name: 's', schema_mode: 1 }), 'OPTION_INVALID', /strict, merge/],
    ['columns', byCommand({ stream_name: 's', partition_by: 'a,b' }), 'OPTION_INVALID', /list of column/],
    ['empty column', byCommand({ stream_name: 's', partition_by: [''] }), 'OPTION_INVALID', /list of column/],
    ['a merge without keys', byCommand({ stream_name: 's', mode: 'merge' }), 'OPTION_INVALID', /key columns/],
    ['keys without a merge', byCommand({ stream_name: 's', on: ['a'] }), 'OPTION_INVALID', /"mode": "merge"/],
    ['empty predicate', byCommand({ stream_name: 's', predicate: '' }), 'OPTION_INVALID', /"predicate"/],
    ['empty key', byCommand({ stream_name: 's', idempotency_key: '' }), 'OPTION_INVALID', /1 to 255/],
    [
      'long key',
      byCommand({ stream_name: 's', idempotency_key: 'k'.repeat(256) }),
      'OPTION_INVALID',
      /1 to 255/,
    ],
    [
      'non-ASCII key',
      byCommand({ stream_name: 's', idempotency_key: 'é' }),
      'OPTION_INVALID',
      /visible ASCII/,
    ],
  ];
  for (const [name, encoded, code, message] of bad) {
    const error = refusal(encoded);
    assert.equal(error.code, code, name);
    assert.match(error.message, message, name);
  }
});

test('a Flight SQL command is not taken for JSON', () => {
  const typeUrl = Buffer.from('type.googleapis.com/arrow.flight.protocol.sql.CommandStatementIngest');
  const any = Buffer.concat([Buffer.from([0x0a, typeUrl.length]), typeUrl, Buffer.from([0x12, 0x00])]);
  assert.throws(() => readPutTarget(byCommand(any)), UnimplementedError);
});
