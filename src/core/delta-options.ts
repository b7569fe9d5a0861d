import { ArrowportError } from '../errors.ts';
import type { MergeClauses } from './backend.ts';

/** Options as a client gave them. */
export type OptionValues = Readonly<Record<string, unknown>>;

/** Refuses options that are not known: a misspelt one must not be ignored. Throws OPTION_INVALID. */
export function refuseUnknownOptions(options: OptionValues, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const takes = known.length === 0 ? 'none are taken here' : `known are ${known.join(', ')}`;
  throw invalid(`There is no option ${quote(unknown)}; ${takes}.`);
}

/** A text; undefined where it is absent or null. Throws OPTION_INVALID. */
export function findText(options: OptionValues, name: string): string | undefined {
  const value = options[name] ?? undefined;
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw invalid(`${name} must be a text that is not empty.`);
}

/** A whole number from 0 on; undefined where it is absent or null. Throws OPTION_INVALID. */
export function findCount(options: OptionValues, name: string): number | undefined {
  const value = options[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`${name} must be a whole number from 0 on.`);
}

/** True or false; undefined where it is absent or null. Throws OPTION_INVALID. */
export function findFlag(options: OptionValues, name: string): boolean | undefined {
  const value = options[name] ?? undefined;
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`${name} must be true or false.`);
}

/** A list of names, none empty; undefined where it is absent or null. Throws OPTION_INVALID. */
export function findNames(options: OptionValues, name: string): readonly string[] | undefined {
  const value = options[name] ?? undefined;
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length > 0 && value.every(isName)) return value;
  throw invalid(`${name} must be a list of at least one column name.`);
}

/** An object whose values are texts (numbers and booleans are taken as theirs); undefined where it is absent or null. Throws OPTION_INVALID. */
export function findTexts(options: OptionValues, name: string): Readonly<Record<string, string>> | undefined {
  const value = options[name] ?? undefined;
  if (value === undefined) return undefined;
  if (!isOptions(value)) throw invalid(`${name} must be an object of column names and texts.`);
  return Object.fromEntries(
    Object.entries(value).map(([key, text]) => {
      if (typeof text === 'string') return [key, text];
      if (typeof text === 'number' || typeof text === 'boolean') return [key, String(text)];
      throw invalid(`${name}.${key} must be a text.`);
    }),
  );
}

/** One of some words; undefined where it is absent or null. Throws OPTION_INVALID. */
export function findChoice<const T extends string>(
  options: OptionValues,
  name: string,
  choices: readonly T[],
): T | undefined {
  const value = options[name] ?? undefined;
  if (value === undefined) return undefined;
  const choice = choices.find((known) => known === value);
  if (choice !== undefined) return choice;
  throw invalid(`${name} must be one of ${choices.join(', ')}.`);
}

/** The clauses of a merge: `on`, `when_matched`, `when_not_matched`. Throws OPTION_INVALID. */
export function readMergeClauses(options: OptionValues): MergeClauses {
  const on = findNames(options, 'on');
  if (on === undefined) throw invalid('A merge needs its key columns in "on".');
  const whenMatched = findChoice(options, 'when_matched', ['update', 'delete', 'ignore']) ?? 'update';
  const whenNotMatched = findChoice(options, 'when_not_matched', ['insert', 'ignore']) ?? 'insert';
  if (whenMatched === 'ignore' && whenNotMatched === 'ignore')
    throw invalid('A merge that ignores both matched and unmatched rows does nothing.');
  return { on, whenMatched, whenNotMatched };
}

/** Whether a JSON value can hold options. */
export function isOptions(value: unknown): value is OptionValues {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message);
}
