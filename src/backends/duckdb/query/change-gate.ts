import { ArrowportError } from '../../../errors.ts';
import { foldCase } from '../identifier.ts';
import { internalSchema } from '../table-catalog.ts';
import { EditedSql } from './edited-sql.ts';
import { isTable, listFileNames } from './file-names.ts';
import { type AdmittedStatement, type GateContext, severalStatements } from './gate-context.ts';
import { positionOf, toQueryError } from './query-error.ts';
import { firstSqlTokens, readSqlTokens, type SqlToken } from './sql-tokens.ts';
import { admitTakenRows } from './taken-rows.ts';

const updates: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'merge', 'truncate', 'with']);
const transactions: ReadonlySet<string> = new Set(['begin', 'start', 'commit', 'end', 'rollback', 'abort']);

const maxReadersTokens = 10_000;

/** Words of a pivot, and how statements that only read begin; DuckDB gives no tree of them where values are left out. */
const pivots: ReadonlySet<string> = new Set(['pivot', 'pivot_wider']);
const reads: ReadonlySet<string> = new Set([...pivots, 'select', 'from', 'with', '(']);

/** Words between CREATE and the kind of object. */
const createModifiers: ReadonlySet<string> = new Set([
  'or',
  'replace',
  'temp',
  'temporary',
  'local',
  'unique',
  'recursive',
]);
const kinds: Readonly<Record<string, ReadonlySet<string>>> = {
  create: new Set(['table', 'view', 'schema', 'index', 'sequence', 'macro', 'function', 'type']),
  drop: new Set(['table', 'view', 'schema', 'index', 'sequence', 'macro', 'function', 'type']),
  alter: new Set(['table', 'view', 'sequence', 'index']),
  comment: new Set(['table', 'view', 'column', 'index', 'sequence', 'type', 'macro', 'function']),
};

/** Functions that change something themselves, which is what these statements may do. */
const changingFunctions: ReadonlySet<string> = new Set(['nextval', 'currval']);

/** Names before a dot that lead out of the tables. */
const closedCatalogs: ReadonlySet<string> = new Set(['memory', 'system', 'pg_catalog', 'information_schema']);

/**
 * Admits a statement that is no SELECT: of admins, and by its words, since DuckDB gives no tree of it. What the words
 * mean is then checked once more by the kind that DuckDB prepares it as. Throws QUERY_FORBIDDEN, QUERY_INVALID.
 */
export async function admitChange(
  sql: string,
  context: GateContext,
): Promise<Pick<AdmittedStatement, 'kind' | 'sql'>> {
  // Who may not write anyway needs no more than how the statement begins.
  const tokens = context.access === 'admin' ? readSqlTokens(sql) : firstSqlTokens(sql, maxReadersTokens);
  if (
    tokens?.some(({ kind, value }) => kind === 'word' && pivots.has(value)) &&
    reads.has(tokens[0]?.value ?? '')
  ) {
    throw forbidden(
      'PIVOT takes its values here: PIVOT t ON column IN (value, …) USING sum(amount). Without them DuckDB makes a type first.',
    );
  }
  await refuseSeveral(sql, context);
  if (tokens === null) throw forbidden('The statement is written in a way that is not open here.');
  const first = tokens[0]?.value ?? '';
  const kind = updates.has(first) ? 'update' : first in kinds ? 'ddl' : null;
  if (transactions.has(first)) {
    throw forbidden('Transactions are begun and ended by calls of Flight SQL, not by statements.');
  }
  if (kind === null) {
    throw forbidden(
      `${first.toUpperCase()} statements are not open here: no files, no network, no settings.`,
    );
  }
  if (context.readOnly) throw forbidden('Statements that write are not sent by this kind of call.');
  if (context.access !== 'admin') throw forbidden('Statements that write take the scope admin.');
  if (!context.caller.isUnrestricted) {
    throw forbidden('Callers that are restricted to some streams do not write by SQL.');
  }
  if (kind === 'ddl') checkObjectKind(first, tokens, context);
  const read = await admitTakenRows(sql, tokens, context);
  const words = read === null ? tokens : tokens.slice(0, read.from);
  checkWords(sql, words, context);
  for (const { token, ...table } of listFileNames(words)) {
    if (token.kind === 'quoted' && (await isTable(context.connection, table))) continue;
    throw forbidden('SQL reads no files.', sql, token);
  }
  return { kind, sql: read?.sql ?? new EditedSql(sql) };
}

async function refuseSeveral(sql: string, { connection }: GateContext): Promise<void> {
  let count: number;
  try {
    count = (await connection.extractStatements(sql)).count;
  } catch (thrown) {
    throw toQueryError(thrown, { sql });
  }
  if (count !== 1) throw severalStatements();
}

function checkObjectKind(first: string, tokens: readonly SqlToken[], { inSession }: GateContext): void {
  const words = tokens.slice(1).map(({ value }) => value);
  if (first === 'comment') words.shift();
  let next = 0;
  while (first === 'create' && createModifiers.has(words[next] ?? '')) next += 1;
  const object = words[next] ?? '';
  if (kinds[first]?.has(object) !== true) {
    throw forbidden(`${first.toUpperCase()} ${object.toUpperCase()} is not open here.`);
  }
  const isTemporary = words.slice(0, next).some((word) => word.startsWith('temp'));
  if (isTemporary && !inSession)
    throw forbidden('Temporary objects need a session; Flight SQL clients have one.');
}

function checkWords(
  sql: string,
  tokens: readonly SqlToken[],
  { rules, pending, relations }: GateContext,
): void {
  tokens.forEach((token, index) => {
    // Some functions take a table by its name as text.
    if (token.kind === 'text' && foldCase(token.value).includes(internalSchema)) {
      throw forbidden('The statement names objects that the server keeps for itself.', sql, token);
    }
    if (token.kind !== 'word' && token.kind !== 'quoted') return;
    const name = foldCase(token.value);
    const next = tokens[index + 1];
    const follows = (symbol: string) => next?.kind === 'symbol' && next.value === symbol;
    // A stream may be named so, and then its table is.
    const isOwn = name === internalSchema || (name.startsWith(internalSchema) && follows('.'));
    if (isOwn || (follows('.') && closedCatalogs.has(name))) {
      throw forbidden('The statement names objects that the server keeps for itself.', sql, token);
    }
    const isForbidden = rules.isForbiddenFunction(name, true) && rules.isForbiddenFunction(name, false);
    if (follows('(') && isForbidden && !changingFunctions.has(name)) {
      throw forbidden(`The function ${name} may not be called here.`, sql, token);
    }
    if (rules.isOwnView(name)) {
      throw forbidden(`${name} belongs to DuckDB and is not open to statements that write.`, sql, token);
    }
    if (follows('.') && relations.some(({ catalog }) => foldCase(catalog) === name)) {
      throw forbidden(`Tables of ${name} are read by SELECT alone.`, sql, token);
    }
    if (pending.some((table) => foldCase(table.name) === name)) {
      throw new ArrowportError('TABLE_NOT_FOUND', `There is no table ${JSON.stringify(token.value)}.`);
    }
  });
}

function forbidden(text: string, sql?: string, token?: SqlToken): ArrowportError {
  if (sql === undefined || token === undefined) return new ArrowportError('QUERY_FORBIDDEN', text);
  const position = positionOf(sql, Buffer.byteLength(sql.slice(0, token.start)));
  return new ArrowportError('QUERY_FORBIDDEN', text, { details: { position } });
}
