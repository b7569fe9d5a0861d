import { randomUUID } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';

const REQUEST_ID_HEADER = 'x-request-id';
const REQUEST_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** The client's `x-request-id` when it may stand in a log line as it is, else a new one. */
export function readRequestId(metadata: Metadata): string {
  const given = String(metadata.get(REQUEST_ID_HEADER)[0] ?? '');
  return REQUEST_ID.test(given) ? given : randomUUID();
}
