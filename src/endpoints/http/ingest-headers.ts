import type { IncomingHttpHeaders } from 'node:http';
import { ArrowportError } from '../../errors.ts';
import { bodyTooLarge } from './request-body.ts';

/** What the body of an ingest request is. */
export type BodyFormat = 'stream' | 'file' | 'sniff' | 'json';

const FORMATS: Readonly<Record<string, BodyFormat>> = {
  'application/vnd.apache.arrow.stream': 'stream',
  'application/vnd.apache.arrow.file': 'file',
  'application/octet-stream': 'sniff',
  'application/json': 'json',
};

/** The media types that ingest routes take. */
export const ingestMediaTypes: readonly string[] = Object.keys(FORMATS);

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** Finds the body's format by its media type, whatever its parameters. Throws MEDIA_TYPE_UNSUPPORTED. */
export function readBodyFormat(contentType: string | undefined): BodyFormat {
  const essence = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const format = FORMATS[essence];
  if (format !== undefined) return format;
  const got =
    essence === '' ? 'The request has no Content-Type' : `Content-Type ${quote(essence)} is not taken here`;
  throw new ArrowportError(
    'MEDIA_TYPE_UNSUPPORTED',
    `${got}: send application/vnd.apache.arrow.stream (an IPC stream) or application/vnd.apache.arrow.file (an IPC file).${hintFor(essence)}`,
  );
}

/** What helps whoever sends one of the types that are sent by mistake. */
function hintFor(essence: string): string {
  if (essence === 'application/x-www-form-urlencoded')
    return " With curl, name it: -H 'Content-Type: application/vnd.apache.arrow.stream'.";
  if (/\b(csv|ndjson|jsonl|jsonlines|parquet)$/.test(essence))
    return ' CSV, NDJSON and Parquet files are sent with the command "arrowport ingest".';
  return '';
}

/** Reads the `Idempotency-Key` header; null when there is none. Throws OPTION_INVALID. */
export function readIdempotencyKey(header: string | readonly string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && IDEMPOTENCY_KEY.test(header)) return header;
  throw new ArrowportError(
    'OPTION_INVALID',
    'Idempotency-Key must be 1 to 255 visible ASCII characters, without spaces.',
  );
}

/** Refuses a body that already its Content-Length shows to be too large. Throws BODY_TOO_LARGE. */
export function checkDeclaredLength(headers: IncomingHttpHeaders, maxBodyBytes: number | null): void {
  if (maxBodyBytes !== null && Number(headers['content-length'] ?? 0) > maxBodyBytes) {
    throw bodyTooLarge(maxBodyBytes);
  }
}

/** Refuses query parameters that a route does not know: a misspelt option must not be ignored. Throws OPTION_INVALID. */
export function refuseUnknownQuery(query: unknown, known: readonly string[]): void {
  if (typeof query !== 'object' || query === null) return;
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const takes = known.length === 0 ? 'this route takes none' : `this route takes ${known.join(', ')}`;
  throw new ArrowportError('OPTION_INVALID', `There is no query parameter ${quote(unknown)}; ${takes}.`);
}

/** A client's text inside a message: quoted, escaped and not longer than a line. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
