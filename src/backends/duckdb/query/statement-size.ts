import { setImmediate as nextTurn } from 'node:timers/promises';
import { ArrowportError } from '../../../errors.ts';
import { visitSqlTokens } from './sql-tokens.ts';

/** Texts below this are read within a few milliseconds whatever they hold. */
const shortCharacters = 16_384;
/** DuckDB takes time by the square of their number, twice, and hears no cancellation: about a second for so many. */
const maxConjunctions = 10_000;
/** Parts of a UNION and its like take DuckDB time by their square too. */
const maxSetOperations = 1000;
/** Words and signs of a statement that are looked through for those, at most. */
const maxTokens = 200_000;
/** Characters of the parser's tree: about a hundred thousand parts. */
const maxTreeCharacters = 16 * 1024 * 1024;

interface Bound {
  readonly words: RegExp;
  readonly most: number;
  readonly text: string;
}

const bounds: readonly Bound[] = [
  {
    words: /\b(?:and|or)\b/gi,
    most: maxConjunctions,
    text: `The statement has more than ${maxConjunctions} AND and OR: use IN, or join with VALUES.`,
  },
  {
    words: /\b(?:union|intersect|except)\b/gi,
    most: maxSetOperations,
    text: `The statement has more than ${maxSetOperations} set operations.`,
  },
];

/** Signs that DuckDB's lexer takes for one operator as long as they follow each other, from each start of a comment in them on. */
const signRuns = /[~!@#^&|`?+\-*/%<>=]{8,}/g;
/** Comments that start in such a run, times its length: about half a second of DuckDB's time. */
const maxCommentSteps = 1_000_000;

function refuseNestedComments(sql: string): void {
  let steps = 0;
  for (const [run] of sql.matchAll(signRuns)) steps += (run.split('/*').length - 1) * run.length;
  if (steps <= maxCommentSteps) return;
  throw new ArrowportError('QUERY_FORBIDDEN', 'Comments of the statement are nested too deep.');
}

/** Throws QUERY_FORBIDDEN for a text that would keep DuckDB's parser from hearing anything for long. */
export function refuseManyParts(sql: string): void {
  refuseNestedComments(sql);
  if (sql.length <= shortCharacters) return;
  for (const { words, most, text } of bounds) {
    if (!hasMore(sql, words, most)) continue;
    // They may stand in texts and comments.
    let found = 0;
    let looked = 0;
    const isRead = visitSqlTokens(sql, ({ kind, value }) => {
      looked += 1;
      words.lastIndex = 0;
      if (kind === 'word' && words.test(value)) found += 1;
      return found <= most && looked <= maxTokens;
    });
    if (found > most || looked > maxTokens || !isRead) throw new ArrowportError('QUERY_FORBIDDEN', text);
  }
}

function hasMore(text: string, words: RegExp, most: number): boolean {
  let found = 0;
  words.lastIndex = 0;
  while (found <= most && words.test(text)) found += 1;
  return found > most;
}

/**
 * The SQL that gives the parser's tree of the text `$1` as JSON. Of long rows of whole numbers one is left in it: what they
 * are changes nothing in what the tree is asked, and there may be hundreds of thousands.
 */
export function treeQuery(sql: string): string {
  const tree = 'json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)::VARCHAR';
  if (sql.length <= shortCharacters) return `SELECT ${tree}`;
  const whole = String.raw`,\{"class":"CONSTANT","type":"VALUE_CONSTANT","query_location":[0-9]+,"value":\{"type":\{"id":"(?:INTEGER|BIGINT)"\},"is_null":false,"value":-?[0-9]+\}\}`;
  return `SELECT regexp_replace(${tree}, '(?:${whole}){8,}', '', 'g')`;
}

/** Throws BODY_TOO_LARGE for a tree that takes long to be read here. */
export function refuseLargeTree(json: string): void {
  if (json.length <= maxTreeCharacters) return;
  throw new ArrowportError('BODY_TOO_LARGE', 'The statement has too many parts: give values as parameters.');
}

/** Lets others have their turn before the next look at a long statement. */
export async function pauseFor(sql: string): Promise<void> {
  if (sql.length > shortCharacters) await nextTurn();
}
