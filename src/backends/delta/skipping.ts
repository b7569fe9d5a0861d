import { type DeltaField, type DeltaType, findDecimal } from './delta-schema.ts';

/** Digits that a JSON number of a file's statistics keeps, however it is written and read. */
const safeDigits = 15;
/** Columns that have statistics where nobody names them. */
const usualColumns = 32;

/**
 * Properties that keep statistics away from decimals of many digits: delta-rs writes them rounded, and readers would pass
 * over files that hold what they look for. Empty where no column is one.
 */
export function statisticsProperties(columns: readonly DeltaField[]): Readonly<Record<string, string>> {
  if (!columns.some(({ type }) => holdsLongDecimal(type))) return {};
  const named = columns.filter(({ name, type }) => !holdsLongDecimal(type) && !name.includes('`'));
  if (named.length === 0) return { 'delta.dataSkippingNumIndexedCols': '0' };
  const list = named.slice(0, usualColumns).map(({ name }) => `\`${name}\``);
  return { 'delta.dataSkippingStatsColumns': list.join(',') };
}

function holdsLongDecimal(type: DeltaType): boolean {
  if (typeof type === 'string') return (findDecimal(type)?.precision ?? 0) > safeDigits;
  return type.type === 'struct' && type.fields.some((field) => holdsLongDecimal(field.type));
}
