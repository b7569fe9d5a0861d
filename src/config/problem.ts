import { ArrowportError } from '../errors.ts';

/** Where a problem is: a place in a file, or the variable or flag that brought the value. */
export type ProblemPlace =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly name: string };

/** One thing wrong with a configuration. `subject` is the path of the key; empty when the place says enough. */
export interface ConfigProblem {
  readonly place: ProblemPlace;
  readonly subject: string;
  readonly text: string;
}

const shownProblems = 20;

/** Makes one CONFIG_INVALID of all problems: a line for each, in the order of the file; details point at the first. */
export function createConfigError(problems: readonly ConfigProblem[], cause?: unknown): ArrowportError {
  const sorted = [...problems].sort(comparePlaces);
  const lines = sorted.slice(0, shownProblems).map(describeProblem);
  if (sorted.length > shownProblems) lines.push(`… and ${sorted.length - shownProblems} more`);
  const located = sorted.map((problem) => problem.place).find((place) => 'line' in place);
  const details = located === undefined ? {} : { line: located.line, position: located.column };
  return new ArrowportError('CONFIG_INVALID', lines.join('\n'), { details, cause });
}

function describeProblem({ place, subject, text }: ConfigProblem): string {
  const where = 'line' in place ? `${place.file}:${place.line}:${place.column}` : place.name;
  return subject === '' ? `${where}: ${text}` : `${where}: ${subject}: ${text}`;
}

function comparePlaces({ place: a }: ConfigProblem, { place: b }: ConfigProblem): number {
  if (!('line' in a)) return 'line' in b ? -1 : 0;
  if (!('line' in b)) return 1;
  if (a.file !== b.file) return 0;
  return a.line - b.line || a.column - b.column;
}
