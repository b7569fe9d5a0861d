import type { DuckDBConnection } from '@duckdb/node-api';
import type { Caller } from '../../../core/auth.ts';
import type { QueryAccess, ReadPart, StatementKind } from '../../../core/query.ts';
import type { TableName } from '../../../core/route.ts';
import { ArrowportError } from '../../../errors.ts';
import type { DatabaseRules } from './database-rules.ts';
import type { EditedSql } from './edited-sql.ts';
import type { StatementGrowth } from './growth-scope.ts';
import type { RelationSource } from './relation-source.ts';

/** Whose statement it is, and what it may meet. */
export interface GateContext {
  /** A connection that nothing runs on. */
  readonly connection: DuckDBConnection;
  readonly rules: DatabaseRules;
  readonly access: QueryAccess;
  /** Whether the call may not write, whatever the access. */
  readonly readOnly: boolean;
  readonly caller: Caller;
  /** Tables that first loads have made and not yet committed. */
  readonly pending: readonly TableName[];
  /** The schema that unqualified names belong to. */
  readonly schema: string;
  /** Whether temporary objects have a session to live in. */
  readonly inSession: boolean;
  readonly relations: readonly RelationSource[];
  /** The part of its one table's rows that the statement is to read; undefined for all. */
  readonly part: ReadPart | undefined;
  /** Takes what is to be called when the statement has ended. */
  readonly onEnd: (end: () => void) => void;
  /** Bytes of the parameters that the statement is to run with. */
  readonly parameterBytes: number;
  /** Bytes that one call of a function may make; null where nobody minds. */
  readonly maxCallBytes: number | null;
}

/** A statement that may be prepared and run. */
export interface AdmittedStatement {
  readonly kind: StatementKind;
  readonly sql: EditedSql;
  /** Whether it is an EXPLAIN, whose result has no table expression. */
  readonly explains: boolean;
  readonly growth: StatementGrowth;
}

/** A call holds one statement. */
export function severalStatements(): ArrowportError {
  return new ArrowportError('QUERY_FORBIDDEN', 'A call holds one statement, and this one holds several.');
}
