import { ArrowportError, type ErrorCode } from '../../errors.ts';

/** What was being done when DuckDB failed: a failed COMMIT may have happened. */
export type Phase = 'load' | 'commit';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly text: string;
  /** Whether DuckDB's first line says something about the client's data that the client needs to know. */
  readonly quote?: boolean;
}

const diskFull =
  /^(IO Error|TransactionContext Error: Failed to commit): .*(No space left on device|Disk quota exceeded)/i;
const outOfMemory =
  /^Out of Memory Error|^TransactionContext Error: Failed to commit: (?!.*has been invalidated).*(failed to (allocate|pin|offload)|could not (allocate|pin))/i;
const invalidated = /^(FATAL|INTERNAL) Error|has been invalidated/i;

const rules: readonly Rule[] = [
  {
    pattern: /^Binder Error: Cannot insert into a generated column/,
    code: 'SCHEMA_MISMATCH',
    text: 'The stream has a column that the table computes itself: leave it out.',
  },
  {
    pattern: /^Catalog Error: (.* is not an table|Can only modify view)/,
    code: 'SCHEMA_MISMATCH',
    text: 'The name belongs to a view, which takes no rows.',
  },
  {
    pattern:
      /^(Catalog|Binder|Dependency) Error: .*(change the type|type can not be changed|entries that depend)/,
    code: 'SCHEMA_MISMATCH',
    text: 'The columns of the table cannot change',
    quote: true,
  },
  {
    // The second form is that of two loads with one key at once: the later COMMIT is refused and undone.
    pattern: /^(Constraint Error|TransactionContext Error: Failed to commit: .*constraint violation)/,
    code: 'SCHEMA_MISMATCH',
    text: 'A constraint of the table refuses a row',
    quote: true,
  },
  {
    pattern: /^(Conversion|Out of Range|Invalid Input) Error/,
    code: 'SCHEMA_MISMATCH',
    text: 'A value does not fit its column',
    quote: true,
  },
  {
    pattern: /^Not implemented Error/i,
    code: 'TYPE_UNSUPPORTED',
    text: 'DuckDB cannot load a column of this type',
    quote: true,
  },
  {
    pattern: /^TransactionContext Error.*onflict/,
    code: 'COMMIT_CONFLICT',
    text: 'Another transaction changed the table.',
  },
  {
    pattern: /^Out of Memory Error: failed to offload/,
    code: 'BACKEND_UNAVAILABLE',
    text: 'The disk for temporary files of the database is full: free some of it, and loads work again.',
  },
  { pattern: outOfMemory, code: 'OVERLOADED', text: 'DuckDB has no memory left for this load.' },
  {
    pattern: diskFull,
    code: 'BACKEND_UNAVAILABLE',
    text: 'The disk of the database is full: free some of it, and loads work again.',
  },
  { pattern: /^IO Error/, code: 'BACKEND_UNAVAILABLE', text: 'The database file cannot be read or written.' },
  {
    pattern: invalidated,
    code: 'BACKEND_UNAVAILABLE',
    text: 'The database has to be opened again.',
  },
];

/** Turns what DuckDB threw into an error of the table; its own text stays in the cause unless it speaks of the data. */
export function fromDuckDbError(thrown: unknown, phase: Phase): ArrowportError {
  if (thrown instanceof ArrowportError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const rule = rules.find(({ pattern }) => pattern.test(message));
  if (phase === 'commit' && (rule === undefined || mayHaveCommitted(message))) {
    return new ArrowportError('COMMIT_UNKNOWN', 'The database failed while it committed.', { cause: thrown });
  }
  if (rule === undefined) {
    return new ArrowportError('INTERNAL', 'The database failed on this load.', { cause: thrown });
  }
  const text = rule.quote === true ? `${rule.text}: ${firstLine(message)}` : rule.text;
  return new ArrowportError(rule.code, text, {
    cause: thrown,
    details: rule.code === 'OVERLOADED' ? { retryAfterMs: 1000 } : {},
  });
}

/** What DuckDB says it failed to commit it has rolled back, unless it gave the whole database up over it. */
function mayHaveCommitted(message: string): boolean {
  return /^IO Error/.test(message) || invalidated.test(message);
}

/** Whether a COMMIT that failed is durable all the same: DuckDB gives the database up over the checkpoint behind it. */
export function hasCommitted(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    /^FATAL Error: Transaction COMMIT succeeded and is durable/.test(thrown.message)
  );
}

/** Whether the disk of the database, or of its temporary files, is full. */
export function isDiskFull(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    /No space left on device|Disk quota exceeded|failed to offload/.test(thrown.message)
  );
}

/** Whether DuckDB ran into its memory limit. */
export function isOutOfMemory(thrown: unknown): boolean {
  return thrown instanceof Error && outOfMemory.test(thrown.message);
}

const missing =
  /^(Catalog|Binder) Error.*does not exist|^Permission Error: Cannot access file|^IO Error: No files found/;

/** Whether DuckDB says that a table or schema is not there: it looks for `a.parquet` and the like as a file then. */
export function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && missing.test(thrown.message);
}

/** Whether the whole database instance is unusable until it is opened again. */
export function isInvalidated(thrown: unknown): boolean {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return invalidated.test(message);
}

function firstLine(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
