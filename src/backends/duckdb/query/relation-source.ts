import type { Caller } from '../../../core/auth.ts';
import type { CatalogTable, ReadPart } from '../../../core/query.ts';
import type { TreeNode } from './statement-tree.ts';
import type { Condition } from './table-conditions.ts';

/** A table of another backend, as a statement names it. */
export type RelationRequest = RelationUse &
  (
    | { readonly kind: 'table'; readonly name: string }
    | {
        readonly kind: 'function';
        readonly name: string;
        /** The call as DuckDB's parser writes it: its arguments are `children`. */
        readonly call: TreeNode;
      }
  );

/** Who names it, and what for. */
interface RelationUse {
  /** The same object for all tables that one statement names: they are to be of one moment. */
  readonly statement: object;
  readonly caller: Caller;
  /** Conditions that the statement puts on its rows, besides others: rows that fail one need not be read. */
  readonly conditions: readonly Condition[];
  /** Only these rows of it. */
  readonly part?: ReadPart;
  /** Takes what is to be called when the statement has ended: until then what was resolved must stay. */
  readonly onEnd?: (end: () => void) => void;
}

/**
 * Tables that live outside of DuckDB and are named in SQL as `<catalog>.<table>`, or by a table function. The gate
 * replaces each by what `resolve` answers, before the statement is prepared.
 */
export interface RelationSource {
  readonly catalog: string;
  /** Names, in lower case, of the table functions that are this source's. */
  readonly functions: ReadonlySet<string>;
  /**
   * SQL that stands where a table stands: a subquery in parentheses, a call, or a quoted name. It is not checked again, and
   * may hold nothing of the client's but as literals. Throws TABLE_NOT_FOUND, VERSION_NOT_FOUND, FORBIDDEN.
   */
  resolve(request: RelationRequest): Promise<string>;
  /** The parts that the rows of the table as it is now are shared out to; empty for fewer than two. Throws as `resolve` does. */
  split?(request: RelationRequest, partBytes: number): Promise<readonly ReadPart[]>;
  /** The tables that the caller may name. */
  list?(caller: Caller): Promise<readonly CatalogTable[]>;
}
