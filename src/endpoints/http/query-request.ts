import type { FastifyRequest } from 'fastify';
import type { OptionValues } from '../../core/delta-options.ts';
import {
  FloatingNumber,
  MAX_PARAMETER_VALUES,
  NO_PARAMETERS,
  type ParameterValue,
  type QueryParameters,
} from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import { createArrowBody } from './arrow-body.ts';
import { findQueryCount, findQueryText } from './delta-query.ts';
import type { HttpSettings } from './deps.ts';
import { createHeldBytes, type HeldBytes } from './held-bytes.ts';
import { refuseUnknownQuery } from './ingest-headers.ts';

/** Bytes of the largest body of a query, its Content-Encoding undone. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const QUOTE = 0x22;
const COMMA = 0x2c;
const LIST = 0x5b;
const OBJECT = 0x7b;
const BACKSLASH = 0x5c;

/** A statement as a request has it. */
export interface QueryRequest {
  readonly sql: string;
  readonly parameters: QueryParameters;
  readonly timeoutMs?: number;
  readonly maxRows?: number;
}

/**
 * Media types of a body that is nothing but SQL. The last is what curl's `-d` calls its data.
 */
const sqlTypes: ReadonlySet<string> = new Set([
  '',
  'text/plain',
  'application/sql',
  'text/sql',
  'application/x-www-form-urlencoded',
]);

/** Reads the statement of a GET. Throws OPTION_INVALID. */
export function readQueryUrl(request: FastifyRequest): QueryRequest {
  const query = request.query as OptionValues;
  refuseUnknownQuery(query, ['sql', 'timeout_ms', 'max_rows']);
  const sql = findQueryText(query, 'sql');
  if (sql === undefined) throw new ArrowportError('OPTION_INVALID', 'The statement is missing: ?sql=…');
  return { sql, parameters: NO_PARAMETERS, ...readBounds(query) };
}

/** Makes the count of the bodies that hold statements: small ones never wait for large ones. */
export function createHeldStatements(): HeldBytes {
  return createHeldBytes({
    maxHeldBytes: () => 4 * MAX_BODY_BYTES,
    freeBytes: 64 * 1024,
    tooLarge: (maxBytes) =>
      new ArrowportError('BODY_TOO_LARGE', `The body of a query may have ${maxBytes / 1024 / 1024} MiB.`),
    overloaded: () =>
      new ArrowportError('OVERLOADED', 'Too many large statements are here at once.', {
        details: { retryAfterMs: 1000 },
      }),
  });
}

/** Reads the statement of a POST. Throws OPTION_INVALID, MEDIA_TYPE_UNSUPPORTED, BODY_TOO_LARGE, and what reading throws. */
export async function readQueryBody(
  request: FastifyRequest,
  settings: HttpSettings,
  held: HeldBytes,
): Promise<QueryRequest> {
  const query = request.query as OptionValues;
  refuseUnknownQuery(query, ['timeout_ms', 'max_rows']);
  const bounds = readBounds(query);
  const essence = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (essence !== 'application/json' && !sqlTypes.has(essence)) {
    throw new ArrowportError(
      'MEDIA_TYPE_UNSUPPORTED',
      'SQL is sent as text/plain, application/sql or application/json.',
    );
  }
  const body = await gatherBody(request, settings, held);
  try {
    if (essence !== 'application/json') {
      return { sql: decodeText(body.bytes), parameters: NO_PARAMETERS, ...bounds };
    }
    refuseManyValues(body.bytes);
    return { ...readDocument(decodeText(body.bytes)), ...bounds };
  } finally {
    body.give();
  }
}

function readBounds(query: OptionValues): Pick<QueryRequest, 'timeoutMs' | 'maxRows'> {
  const timeoutMs = findQueryCount(query, 'timeout_ms');
  const maxRows = findQueryCount(query, 'max_rows');
  if (timeoutMs === 0) throw new ArrowportError('OPTION_INVALID', 'timeout_ms must be at least 1.');
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(maxRows === undefined ? {} : { maxRows }),
  };
}

/** The body with its Content-Encoding undone. */
async function gatherBody(
  request: FastifyRequest,
  settings: HttpSettings,
  held: HeldBytes,
): Promise<{ bytes: Buffer; give(): void }> {
  const body = request.bodySource;
  if (body === undefined) throw new ArrowportError('INTERNAL', 'The request has no body to read.');
  const wire = { maxBodyBytes: null, idleTimeoutMs: settings.idleTimeoutSeconds * 1000 };
  const encoding = request.headers['content-encoding'];
  const decoded = createArrowBody(body, encoding, wire, settings, 'given');
  try {
    return await held.gather(decoded.chunks, MAX_BODY_BYTES);
  } finally {
    decoded.close();
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ArrowportError('QUERY_INVALID', 'The statement is not UTF-8.', { cause });
  }
}

/** Refuses a document by its commas and brackets, before it is parsed: nothing else runs while millions of values are. */
function refuseManyValues(bytes: Buffer): void {
  let values = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] === QUOTE) at = endOfText(bytes, at);
    else if (bytes[at] === COMMA || bytes[at] === LIST || bytes[at] === OBJECT) values += 1;
  }
  if (values <= MAX_PARAMETER_VALUES) return;
  throw new ArrowportError(
    'BODY_TOO_LARGE',
    `The body of a query may have ${MAX_PARAMETER_VALUES} values, those in lists counted: load them as a table and join it.`,
  );
}

/** Where the text that begins at a quotation mark ends. */
function endOfText(bytes: Buffer, start: number): number {
  let end = bytes.indexOf(QUOTE, start + 1);
  while (end > 0 && isEscaped(bytes, end)) end = bytes.indexOf(QUOTE, end + 1);
  return end < 0 ? bytes.length : end;
}

function isEscaped(bytes: Buffer, at: number): boolean {
  let slashes = 0;
  while (bytes[at - 1 - slashes] === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}

function readDocument(text: string): Pick<QueryRequest, 'sql' | 'parameters'> {
  const document = parse(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw malformed();
  const { sql, parameters = [], ...rest } = document as { readonly [name: string]: unknown };
  if (typeof sql !== 'string') throw malformed();
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new ArrowportError(
      'OPTION_INVALID',
      `${JSON.stringify(unknown)} is not an option of a query, which has "sql" and "parameters".`,
    );
  }
  if (parameters === null) return { sql, parameters: NO_PARAMETERS };
  if (Array.isArray(parameters)) {
    return { sql, parameters: { kind: 'values', values: parameters as ParameterValue[] } };
  }
  if (typeof parameters !== 'object' || parameters instanceof FloatingNumber) throw malformed();
  return {
    sql,
    parameters: { kind: 'named', values: parameters as Readonly<Record<string, ParameterValue>> },
  };
}

/** Integers that JavaScript's numbers do not hold keep their digits; what is written as a floating number stays one. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' ? readNumber(value, context?.source ?? '') : value,
    );
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', 'The body is not JSON.', { cause });
  }
}

function readNumber(value: number, source: string): number | bigint | FloatingNumber {
  if (Number.isSafeInteger(value)) return /[.eE]/.test(source) ? new FloatingNumber(value) : value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function malformed(): ArrowportError {
  return new ArrowportError(
    'OPTION_INVALID',
    'The body must be {"sql": "…"}, with "parameters" as an array or, for named ones, an object.',
  );
}
