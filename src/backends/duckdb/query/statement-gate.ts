import type { DuckDBConnection } from '@duckdb/node-api';
import { ArrowportError } from '../../../errors.ts';
import { admitChange } from './change-gate.ts';
import { EditedSql } from './edited-sql.ts';
import { refuseDeep } from './expression-depth.ts';
import { type AdmittedStatement, type GateContext, severalStatements } from './gate-context.ts';
import { boundGathered } from './gathered-values.ts';
import { noGrowth, type StatementGrowth } from './growth-scope.ts';
import { describeEngineError, positionOf, toQueryError } from './query-error.ts';
import { boundRecursions } from './recursive-values.ts';
import { admitSelect } from './select-gate.ts';
import { firstSqlTokens, visitSqlTokens } from './sql-tokens.ts';
import { judgeGrowth } from './statement-growth.ts';
import { pauseFor, refuseLargeTree, refuseManyParts, treeQuery } from './statement-size.ts';

/** Words and signs in which the statement of an EXPLAIN begins. */
const maxExplainTokens = 64;
/** Bytes of the longest statement. */
const maxSqlBytes = 4 * 1024 * 1024;
/** The quotation marks of a text times its length: about half a second of DuckDB's time. */
const maxQuoteSteps = 10_000_000_000;

/**
 * Decides by DuckDB's own parse whether a statement may run: what is not known to be allowed is refused.
 * Throws QUERY_INVALID, QUERY_FORBIDDEN, TABLE_NOT_FOUND, FORBIDDEN, BODY_TOO_LARGE.
 */
export async function admitStatement(sql: string, context: GateContext): Promise<AdmittedStatement> {
  if (Buffer.byteLength(sql) > maxSqlBytes) {
    throw new ArrowportError('BODY_TOO_LARGE', 'The statement is longer than 4 MiB.');
  }
  if (sql.includes('\0') || !sql.isWellFormed()) {
    throw invalid('The statement holds characters that no SQL holds.');
  }
  refuseManyParts(sql);
  refuseQuotes(sql);
  const tree = await parseSelect(sql, context.connection);
  if (tree !== null) {
    await pauseFor(sql);
    const edited = await admitSelect(sql, tree, context);
    const growth = await growthOf(sql, tree, context);
    boundGathered(edited, growth.gathered);
    boundRecursions(edited, tree, growth);
    return { kind: 'query', sql: edited, explains: false, growth };
  }
  const explained = explainedPart(sql);
  if (explained !== null) return admitExplain(sql, explained, context);
  return { ...(await admitChange(sql, context)), explains: false, growth: noGrowth };
}

/**
 * DuckDB names a column like the expression it has none for, and moves the rest of a text for each quotation mark that it
 * doubles in it: megabytes of them take minutes, which hear no cancellation.
 */
function refuseQuotes(sql: string): void {
  if (maxInnerQuotes(sql) * sql.length <= maxQuoteSteps) return;
  visitSqlTokens(sql, ({ kind, value, start }) => {
    if (kind === 'word' || countQuotes(value) * value.length <= maxQuoteSteps) return true;
    throw new ArrowportError(
      'BODY_TOO_LARGE',
      'A text of the statement is too long for the quotation marks in it: give it as a parameter.',
      { details: { position: positionOf(sql, Buffer.byteLength(sql.slice(0, start))) } },
    );
  });
}

/** More than the quotation marks within any text: most are where texts begin and end. */
function maxInnerQuotes(sql: string): number {
  if (/["$]/.test(sql)) return countQuotes(sql);
  let count = 0;
  for (const _ of sql.matchAll(/''|\\'/g)) count += 2;
  return count;
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf("'"); at >= 0; at = text.indexOf("'", at + 1)) count += 1;
  return count;
}

interface ParserAnswer {
  readonly error: boolean;
  readonly error_type?: string;
  readonly error_message?: string;
  readonly position?: string;
  readonly statements?: readonly unknown[];
}

/** The tree of the one SELECT that the text is; null when it is one statement of another kind (or several). */
export async function parseSelect(sql: string, connection: DuckDBConnection): Promise<unknown> {
  const answer = await askParser(sql, connection);
  if (answer.error) {
    if (answer.error_type === 'not implemented') return null;
    throw describeEngineError(
      {
        exception_type: answer.error_type === 'parser' ? 'Parser' : 'Query',
        exception_message: answer.error_message ?? 'The statement cannot be read.',
        ...(answer.position === undefined ? {} : { position: answer.position }),
      },
      { sql },
      undefined,
    );
  }
  const { statements = [] } = answer;
  const [tree] = statements;
  if (tree === undefined) throw invalid('There is no statement.');
  if (statements.length > 1) throw severalStatements();
  return tree;
}

async function askParser(sql: string, connection: DuckDBConnection): Promise<ParserAnswer> {
  try {
    const reader = await connection.runAndReadAll(treeQuery(sql), [sql]);
    const [[json] = []] = reader.getRows();
    refuseLargeTree(String(json));
    await pauseFor(sql);
    return JSON.parse(String(json)) as ParserAnswer;
  } catch (thrown) {
    throw toQueryError(thrown, { sql, locate: () => null });
  }
}

/** Where the statement that an EXPLAIN is about starts; null for any other text. */
function explainedPart(sql: string): number | null {
  const tokens = firstSqlTokens(sql, maxExplainTokens);
  if (tokens[0]?.kind !== 'word' || tokens[0].value !== 'explain') return null;
  let next = 1;
  if (tokens[next]?.value === 'analyze') next += 1;
  if (
    tokens[next]?.value === '(' &&
    tokens[next + 1]?.kind === 'word' &&
    tokens[next + 1]?.value !== 'select'
  ) {
    while (next < tokens.length && tokens[next]?.value !== ')') next += 1;
    next += 1;
  }
  return tokens[next]?.start ?? sql.length;
}

/** Only SELECTs are explained: an EXPLAIN ANALYZE runs its statement. */
async function admitExplain(sql: string, start: number, context: GateContext): Promise<AdmittedStatement> {
  const tree = await parseSelect(sql.slice(start), context.connection);
  if (tree === null) {
    throw new ArrowportError('QUERY_FORBIDDEN', 'Only statements that read can be explained.', {
      details: { position: positionOf(sql, Buffer.byteLength(sql.slice(0, start))) },
    });
  }
  const inner = await admitSelect(sql.slice(start), tree, hidingFiles(context));
  if (!context.caller.isUnrestricted && inner.text !== inner.original) {
    throw new ArrowportError(
      'QUERY_FORBIDDEN',
      'Plans of listings name what is left out of them: this needs a token for all streams.',
    );
  }
  const growth = await growthOf(sql.slice(start), tree, context);
  boundGathered(inner, growth.gathered);
  boundRecursions(inner, tree, growth);
  const edited = new EditedSql(sql);
  if (inner.text !== inner.original) {
    edited.replace(Buffer.byteLength(sql.slice(0, start)), Buffer.byteLength(sql), inner.text);
  }
  return {
    kind: 'query',
    sql: edited,
    explains: true,
    growth,
  };
}

async function growthOf(sql: string, tree: unknown, context: GateContext): Promise<StatementGrowth> {
  const { maxCallBytes, parameterBytes, rules } = context;
  await pauseFor(sql);
  if (maxCallBytes !== null) refuseDeep(tree);
  await pauseFor(sql);
  return judgeGrowth(tree, rules, { sql, parameterBytes, maxCallBytes });
}

/** Plans name the files that tables of other backends are read from, which are for administrators to know. */
function hidingFiles(context: GateContext): GateContext {
  if (context.access === 'admin') return context;
  const refuse = async (): Promise<never> => {
    throw new ArrowportError(
      'QUERY_FORBIDDEN',
      'Plans of tables outside of DuckDB name files: this needs admin.',
    );
  };
  const relations = context.relations.map(({ catalog, functions }) => ({
    catalog,
    functions,
    resolve: refuse,
  }));
  return { ...context, relations };
}

function invalid(text: string): ArrowportError {
  return new ArrowportError('QUERY_INVALID', text);
}
