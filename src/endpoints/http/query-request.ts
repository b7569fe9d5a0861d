import type { FastifyRequest } from 'fastify';
import type { OptionValues } from '../../core/delta-options.ts';
import { NO_PARAMETERS, type ParameterValue, type QueryParameters } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import { findQueryCount, findQueryText } from './delta-query.ts';
import type { HttpSettings } from './deps.ts';
import { refuseUnknownQuery } from './ingest-headers.ts';

/** Bytes of the largest body of a query. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

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

/** Reads the statement of a POST. Throws OPTION_INVALID, MEDIA_TYPE_UNSUPPORTED, BODY_TOO_LARGE, and what reading throws. */
export async function readQueryBody(request: FastifyRequest, settings: HttpSettings): Promise<QueryRequest> {
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
  const text = await readText(request, settings);
  if (essence !== 'application/json') return { sql: text, parameters: NO_PARAMETERS, ...bounds };
  return { ...readDocument(text), ...bounds };
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

async function readText(request: FastifyRequest, settings: HttpSettings): Promise<string> {
  const body = request.bodySource;
  if (body === undefined) throw new ArrowportError('INTERNAL', 'The request has no body to read.');
  const parts: Uint8Array[] = [];
  const limits = { maxBodyBytes: MAX_BODY_BYTES, idleTimeoutMs: settings.idleTimeoutSeconds * 1000 };
  for await (const chunk of body.read(limits)) parts.push(Buffer.from(chunk));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (cause) {
    throw new ArrowportError('QUERY_INVALID', 'The statement is not UTF-8.', { cause });
  }
}

function readDocument(text: string): Pick<QueryRequest, 'sql' | 'parameters'> {
  const document = parse(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw malformed();
  const { sql, parameters = [], ...rest } = document as { readonly [name: string]: unknown };
  if (typeof sql !== 'string') throw malformed();
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new ArrowportError('OPTION_INVALID', `${JSON.stringify(unknown)} is not an option of a query.`);
  }
  if (parameters === null) return { sql, parameters: NO_PARAMETERS };
  if (Array.isArray(parameters)) {
    return { sql, parameters: { kind: 'values', values: parameters as ParameterValue[] } };
  }
  if (typeof parameters !== 'object') throw malformed();
  return {
    sql,
    parameters: { kind: 'named', values: parameters as Readonly<Record<string, ParameterValue>> },
  };
}

/** Integers that JavaScript's numbers do not hold keep their digits. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
        ? BigInt(context?.source ?? 0)
        : value,
    );
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', 'The body is not JSON.', { cause });
  }
}

function malformed(): ArrowportError {
  return new ArrowportError(
    'OPTION_INVALID',
    'The body must be {"sql": "…"}, with "parameters" as an array or, for named ones, an object.',
  );
}
