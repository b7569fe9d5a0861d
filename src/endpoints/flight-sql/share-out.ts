import type { QueryContext, QueryEngine } from '../../core/query.ts';
import { NOWHERE } from './client-sessions.ts';
import type { TicketContent } from './tickets.ts';

/** What sharing rows out to several tickets takes. */
export interface ShareOutParts {
  readonly engine: Pick<QueryEngine, 'splitRead'>;
  /** Bytes of files that a ticket stands for where rows are shared out; null: all rows are of one. */
  readonly partBytes: () => number | null;
}

/** A ticket's content for a statement. */
export type StatementContent = Extract<TicketContent, { readonly kind: 'statement' }>;

/** What tickets hold of a statement that reads a large table which does not change: parts of its rows. Else empty. */
export async function shareOut(
  { engine, partBytes }: ShareOutParts,
  sql: string,
  inSession: boolean,
  context: QueryContext,
): Promise<readonly StatementContent[]> {
  const bytes = partBytes();
  // A session reads one result at a time.
  if (bytes === null || inSession) return [];
  const shares = await engine.splitRead(sql, bytes, context);
  return shares.map((part) => ({ kind: 'statement', sql, place: NOWHERE, part }));
}

/** The part of the rows that a ticket stands for, as the query engine takes it. */
export function partOf(content: StatementContent | undefined): Pick<QueryContext, 'part'> {
  return content?.part === undefined ? {} : { part: content.part };
}
