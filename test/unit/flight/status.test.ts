import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import {
  findLibraryError,
  toStatus,
  UnimplementedError,
  withError,
} from '../../../src/endpoints/flight/status.ts';
import { ArrowportError, type ErrorCode, errorTable } from '../../../src/errors.ts';

test('every code of the error table has its gRPC status, leads the message and stands in the trailers', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const answer = toStatus(new ArrowportError(code, 'what happened'), 'request-1');
    assert.equal(answer.code, status[errorTable[code].grpc], code);
    assert.equal(answer.details, `${code}: what happened`);
    assert.deepEqual(answer.metadata.get('arrowport-error-code'), [code]);
    assert.deepEqual(answer.metadata.get('arrowport-outcome'), [errorTable[code].outcome]);
    assert.deepEqual(answer.metadata.get('arrowport-request-id'), ['request-1']);
    assert.deepEqual(answer.metadata.get('retry-after-ms'), []);
  }
});

test('the time to wait is a trailer of whole milliseconds', () => {
  const error = new ArrowportError('OVERLOADED', 'full', { details: { retryAfterMs: 1500.2 } });
  assert.deepEqual(toStatus(error, 'r').metadata.get('retry-after-ms'), ['1501']);
});

test('the text of an unexpected error never reaches the client', () => {
  const answer = toStatus(new Error('password=hunter2'), 'r');
  assert.equal(answer.code, status.INTERNAL);
  assert.match(answer.details, /^INTERNAL: /);
  assert.doesNotMatch(answer.details, /hunter2/);
});

test('a call that is not offered answers UNIMPLEMENTED with its text', () => {
  const answer = toStatus(new UnimplementedError('DoGet is not offered.'), 'r');
  assert.equal(answer.code, status.UNIMPLEMENTED);
  assert.equal(answer.details, 'UNIMPLEMENTED: DoGet is not offered.');
});

test('a message of any length and content fits the trailers of a client', () => {
  for (const text of ['x'.repeat(100_000), 'é'.repeat(50_000), '\ud800 alone', '🦆'.repeat(30_000)]) {
    const { details } = toStatus(new ArrowportError('SCHEMA_MISMATCH', text), 'r');
    assert.ok(encodeURI(details).length < 6100, `${encodeURI(details).length}`);
    assert.match(details, /^SCHEMA_MISMATCH: /);
  }
});

test('a status that the gRPC library made is put into the words of the error table', () => {
  const message = encodeURI('Received message larger than max (500 vs 100)');
  const headers = { 'grpc-status': 8, 'grpc-message': message };
  const error = findLibraryError(headers);
  assert.equal(error?.code, 'BODY_TOO_LARGE');
  assert.deepEqual(withError(headers, error), {
    'grpc-status': 8,
    'grpc-message': encodeURI('BODY_TOO_LARGE: A message of 500 bytes is over limits.max_message_bytes.'),
    'arrowport-error-code': 'BODY_TOO_LARGE',
    'arrowport-outcome': 'rejected',
  });
  assert.equal(findLibraryError({ 'grpc-status': 4 })?.code, 'DEADLINE_EXCEEDED');
  assert.equal(findLibraryError({ 'grpc-status': 2, 'grpc-message': 'secret' })?.code, 'INTERNAL');
});

test('statuses that are complete, OK or not offered stay as they are', () => {
  for (const headers of [
    { 'grpc-status': 0 },
    { 'grpc-status': 12, 'grpc-message': 'x' },
    { 'grpc-status': 13, 'grpc-message': 'x', 'arrowport-error-code': 'INTERNAL' },
    { ':status': 200 },
  ]) {
    assert.equal(findLibraryError(headers), undefined);
  }
});
