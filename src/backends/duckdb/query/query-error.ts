import { ArrowportError, type ErrorCode } from '../../../errors.ts';
import { comparedTooMuch, madeTooMuch } from './call-bounds.ts';

/** What DuckDB says went wrong, as it says it under `errors_as_json`. */
interface EngineError {
  readonly exception_type?: string;
  readonly exception_message?: string;
  readonly error_subtype?: string;
  /** From the start of the statement: bytes, or characters where the grammar refuses it. */
  readonly position?: string;
  readonly type?: string;
  readonly name?: string;
}

/** The statement that an error is about, to tell characters from bytes. */
export interface ErrorScene {
  readonly sql: string;
  /** Where a byte of the text that DuckDB was given stands in what the client sent; null where it does not. */
  locate?(byte: number): number | null;
  /** Whether the client may hear names of tables that it did not give; true where it is left out. */
  readonly showsNames?: boolean;
  /** Whether nobody else takes memory, and there is no more to be had; false where it is left out. */
  readonly hasAllMemory?: boolean;
}

/** Texts below this fit into any memory that DuckDB works with. */
const largeTextCharacters = 65_536;

interface Rule {
  readonly type: RegExp;
  readonly message?: RegExp;
  readonly code: ErrorCode;
  /** What the client reads; DuckDB's own message when left out. */
  readonly text?: string;
  /** The limit that the client reads of. */
  readonly limit?: string;
}

const rules: readonly Rule[] = [
  {
    type: /^Invalid Input$/,
    message: madeTooMuch,
    code: 'RESULT_TOO_LARGE',
    limit: 'query.max_call_bytes',
  },
  {
    type: /^Invalid Input$/,
    message: comparedTooMuch,
    code: 'RESULT_TOO_LARGE',
    text: 'Texts that a function compares are longer than they may be here.',
  },
  {
    // SQL names no files here, so it can only be one of a Delta table.
    type: /^Invalid Input$/,
    message: /\bfile '[^']*\.parquet'/,
    code: 'BACKEND_UNAVAILABLE',
    text: 'A data file of a Delta table cannot be read: restore it from a copy, or the table to an earlier version.',
  },
  { type: /^INTERRUPT$/i, code: 'CANCELLED', text: 'The query was stopped.' },
  {
    type: /^(Catalog|Binder)$/,
    message: /^(Table|View|Schema|Catalog) (?!Function).*does not exist/,
    code: 'TABLE_NOT_FOUND',
  },
  { type: /^Catalog$/, message: /^(Table|View).* already exists/, code: 'TABLE_EXISTS' },
  {
    type: /^Permission$/,
    code: 'QUERY_FORBIDDEN',
    text: 'SQL reaches no files, no network and no settings here.',
  },
  {
    type: /^TransactionContext$/,
    message: /onflict/,
    code: 'COMMIT_CONFLICT',
    text: 'Another transaction changed the same rows or the same table.',
  },
  {
    type: /^TransactionContext$/,
    message: /transaction is aborted/,
    code: 'QUERY_INVALID',
    text: 'A statement of the transaction has failed, so that nothing of it can be committed: roll it back.',
  },
  { type: /^Out of Memory$/, code: 'OVERLOADED', text: 'DuckDB has no memory left for this query.' },
  { type: /^IO$/, message: /^Parquet files do not support /, code: 'TYPE_UNSUPPORTED' },
  { type: /^IO$/, code: 'BACKEND_UNAVAILABLE', text: 'The database cannot read or write its files.' },
  { type: /^(FATAL|INTERNAL)$/i, code: 'INTERNAL', text: 'The database failed on this query.' },
];

/** Whether DuckDB stopped because it was told to. */
export function isInterrupt(thrown: unknown): boolean {
  return thrown instanceof Error && readEngineError(thrown.message)?.exception_type === 'INTERRUPT';
}

/**
 * The error of the table for what DuckDB threw at a statement: QUERY_INVALID with DuckDB's message and position unless a
 * better one fits. What DuckDB did not throw becomes INTERNAL.
 */
export function toQueryError(thrown: unknown, scene: ErrorScene): ArrowportError {
  if (thrown instanceof ArrowportError) return thrown;
  const engine = readEngineError(thrown instanceof Error ? thrown.message : String(thrown));
  if (engine === null) {
    return new ArrowportError('INTERNAL', 'The database failed on this query.', { cause: thrown });
  }
  return describeEngineError(engine, scene, thrown);
}

/** The same for an error that DuckDB describes in JSON, as `json_serialize_sql` does. */
export function describeEngineError(engine: EngineError, scene: ErrorScene, cause: unknown): ArrowportError {
  const type = engine.exception_type ?? '';
  const message = withoutHint((engine.exception_message ?? '').trim(), scene.showsNames !== false);
  const rule = rules.find(
    (candidate) => candidate.type.test(type) && (candidate.message?.test(message) ?? true),
  );
  if (rule?.code === 'OVERLOADED' && scene.sql.length > largeTextCharacters) return textTooLarge(cause);
  if (rule?.code === 'OVERLOADED' && scene.hasAllMemory === true) return queryTooLarge(cause);
  const position = findPosition(engine, scene);
  const ownText = rule?.limit === undefined ? undefined : `${message} (${rule.limit}).`;
  const text = rule?.text ?? ownText ?? `${type === '' ? 'Query' : type} Error: ${shorten(message)}`;
  return new ArrowportError(rule?.code ?? 'QUERY_INVALID', text, {
    cause,
    details: {
      ...(position === null || rule?.text !== undefined ? {} : { position }),
      ...(rule?.limit === undefined ? {} : { limit: rule.limit }),
      ...(rule?.code === 'OVERLOADED' ? { retryAfterMs: 1000 } : {}),
    },
  });
}

/** Sending such a statement again helps nobody. */
function textTooLarge(cause: unknown): ArrowportError {
  return new ArrowportError('BODY_TOO_LARGE', 'The statement is too long for the memory that DuckDB has.', {
    cause,
    details: { limit: 'duckdb.memory_limit' },
  });
}

function queryTooLarge(cause: unknown): ArrowportError {
  return new ArrowportError(
    'RESULT_TOO_LARGE',
    'The query takes more memory than DuckDB may have (duckdb.memory_limit).',
    {
      cause,
      details: { limit: 'duckdb.memory_limit' },
    },
  );
}

/** DuckDB writes some errors with their kind before the JSON, and some without JSON. */
function readEngineError(message: string): EngineError | null {
  const start = message.indexOf('{"exception_type"');
  if (start >= 0) {
    try {
      return JSON.parse(message.slice(start)) as EngineError;
    } catch {
      return null;
    }
  }
  if (message.trim() === 'Interrupted!') return { exception_type: 'INTERRUPT', exception_message: message };
  const [, type, text] = /^([A-Z][A-Za-z ]*?) Error: ([\s\S]*)$/.exec(message) ?? [];
  return type === undefined ? null : { exception_type: type, exception_message: text ?? '' };
}

/** DuckDB suggests names that are like the one it does not find, also such as are not for the client. */
function withoutHint(message: string, showsNames: boolean): string {
  const [text = '', hint] = message.split(/\n+Did you mean /, 2);
  if (
    hint === undefined ||
    (showsNames && !/_arrowport|arrow_stream|pg_|sqlite_|duckdb_|memory\./.test(hint))
  )
    return message;
  return text;
}

/**
 * The 1-based character that an error is about. The grammar, whose messages begin in lower case, counts characters; what
 * comes after it counts bytes.
 */
function findPosition(
  { exception_type, exception_message = '', position }: EngineError,
  scene: ErrorScene,
): number | null {
  if (position === undefined) return null;
  const at = Number(position);
  if (exception_type !== 'Parser' || !/^[a-z]/.test(exception_message)) return toPosition(at, scene);
  return Number.isInteger(at) && at >= 0 && scene.locate === undefined ? at + 1 : null;
}

/** The 1-based character at a byte. */
function toPosition(byte: number, { sql, locate }: ErrorScene): number | null {
  if (!Number.isInteger(byte) || byte < 0) return null;
  const original = locate === undefined ? byte : locate(byte);
  if (original === null) return null;
  return positionOf(sql, original);
}

/** The 1-based character of a text that starts at this byte of its UTF-8 form. */
export function positionOf(sql: string, byte: number): number {
  const before = Buffer.from(sql, 'utf8').subarray(0, byte).toString('utf8');
  let position = 1;
  for (let at = 0; at < before.length; at += 1) {
    // Of two halves that are one character, the second does not count.
    if ((before.charCodeAt(at) & 0xfc00) !== 0xdc00) position += 1;
  }
  return position;
}

function shorten(message: string): string {
  return message.length > 2000 ? `${message.slice(0, 2000)}…` : message;
}

/** What DuckDB threw, in the words that it has without JSON. */
export function plainMessage(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof ArrowportError) return thrown;
  const engine = readEngineError(thrown.message);
  if (engine === null) return thrown;
  return new Error(`${engine.exception_type ?? 'Unknown'} Error: ${engine.exception_message ?? ''}`, {
    cause: thrown,
  });
}
