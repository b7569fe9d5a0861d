import type { TreeNode } from './statement-tree.ts';
import type { ValueSize } from './value-size.ts';

/** What the judgement of growth asks of the database. */
export interface GrowthRules {
  /** Whether a function (by its name in lower case) gives nothing but numbers, dates and the like. */
  isFixedSize(name: string): boolean;
}

/** What a statement may take besides what DuckDB counts. */
export interface StatementGrowth {
  /** Bytes of the largest value that a function may make, where that is to be watched while the statement runs. */
  readonly valueLimitBytes: number | null;
  /** Whether that counts for calls of functions, and not only for what aggregates gather. */
  readonly boundsCalls: boolean;
  /** Whether the memory of the process is to be watched. */
  readonly isHungry: boolean;
  /** Calls of aggregates, and recursions, whose values are to be looked at, since the statement repeats them. */
  readonly gathered: ReadonlySet<TreeNode>;
  /** Recursions that may make values longer with each round. */
  readonly lengthened: ReadonlySet<TreeNode>;
}

/** Of a statement that takes nothing besides. */
export const noGrowth: StatementGrowth = {
  valueLimitBytes: null,
  boundsCalls: false,
  isHungry: false,
  gathered: new Set(),
  lengthened: new Set(),
};

/** What the parts of an expression know of what is around them. */
export interface GrowthScope {
  /** The largest value of what the names of tables bring in. */
  readonly source: ValueSize;
  readonly aliases: ReadonlyMap<string, { readonly size: ValueSize; readonly parts: number }>;
  readonly expressions: ReadonlyMap<string, ValueSize>;
  /** Names of lambdas' arguments. */
  readonly lambda: ReadonlyMap<string, ValueSize>;
  /** Whether it is about an argument of a function that stands for a table. */
  readonly inTable: boolean;
  /** Whether it is about many rows, and not one. */
  readonly hasRows: boolean;
}
