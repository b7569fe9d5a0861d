import { findChoice, findText, type OptionValues } from '../../core/delta-options.ts';
import { ArrowportError } from '../../errors.ts';

/** A list of names in a query parameter, separated by commas; undefined where it is absent. Throws OPTION_INVALID. */
export function findQueryNames(query: OptionValues, name: string): readonly string[] | undefined {
  const text = findQueryText(query, name);
  if (text === undefined) return undefined;
  const names = text.split(',').map((part) => part.trim());
  if (names.every((part) => part !== '')) return names;
  throw new ArrowportError('OPTION_INVALID', `${name} must be names of columns, separated by commas.`);
}

/** A whole number from 0 on in a query parameter; undefined where it is absent. Throws OPTION_INVALID. */
export function findQueryCount(query: OptionValues, name: string): number | undefined {
  const text = findQueryText(query, name);
  return text === undefined ? undefined : readCount(name, text);
}

/** A whole number from 0 on. Throws OPTION_INVALID. */
export function readCount(name: string, text: string): number {
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new ArrowportError('OPTION_INVALID', `${name} must be a whole number from 0 on.`);
}

/** A text in a query parameter; undefined where it is absent. Throws OPTION_INVALID, also for one given twice. */
export function findQueryText(query: OptionValues, name: string): string | undefined {
  if (Array.isArray(query[name])) throw new ArrowportError('OPTION_INVALID', `${name} is given twice.`);
  return findText(query, name);
}

/**
 * A time in a query parameter, as it was written; undefined where it is absent. A `+` before the zone that was not
 * percent-encoded has become a space, which can mean nothing else there. Throws OPTION_INVALID.
 */
export function findQueryTime(query: OptionValues, name: string): string | undefined {
  return findQueryText(query, name)?.replace(/(T\d{2}:.*\d) (\d{2}:?\d{2})$/i, '$1+$2');
}

/** One of some words in a query parameter; undefined where it is absent. Throws OPTION_INVALID. */
export function findQueryChoice<const T extends string>(
  query: OptionValues,
  name: string,
  choices: readonly T[],
): T | undefined {
  findQueryText(query, name);
  return findChoice(query, name, choices);
}
