import { DECIMAL, DuckDBDecimalValue, type DuckDBType } from '@duckdb/node-api';

/** What a decimal is made of in Arrow. */
interface DecimalForm {
  readonly precision: number;
  readonly scale: number;
}

/** Digits of the widest decimal of DuckDB. */
const maxDigits = 38;
const dayMicros = 86_400_000_000n;
const lastDay = 2_147_483_646;
/** DuckDB's first moment; its last two numbers stand for infinity. */
const firstMicros = -9_223_372_022_400_000_000n;
const lastMicros = 2n ** 63n - 2n;

/**
 * The decimal type that holds what an Arrow type can; null where there is none. DuckDB checks neither types nor values
 * that it is given by its C interface: wrong ones end the process, or come out as others.
 */
export function decimalType({ precision, scale }: DecimalForm): DuckDBType | null {
  const digits = Math.min(precision, maxDigits);
  return digits >= 1 && scale >= 0 && scale <= digits ? DECIMAL(digits, scale) : null;
}

/** An unscaled value as that type's; null where it has more digits. */
export function decimalValue(unscaled: bigint, { precision, scale }: DecimalForm): DuckDBDecimalValue | null {
  const digits = Math.min(precision, maxDigits);
  const bound = 10n ** BigInt(digits);
  return unscaled > -bound && unscaled < bound ? new DuckDBDecimalValue(unscaled, digits, scale) : null;
}

/** Whether a day, counted from 1970, is a date and not infinity. */
export function isDate(days: number): boolean {
  return days >= -lastDay && days <= lastDay;
}

/** Whether microseconds are a time of day. */
export function isTimeOfDay(micros: bigint): boolean {
  return micros >= 0n && micros <= dayMicros;
}

/** Whether microseconds since 1970 are a moment and not infinity. */
export function isMoment(micros: bigint): boolean {
  return micros >= firstMicros && micros <= lastMicros;
}

/** Whether a count fits the 64 bits that DuckDB has for it. */
export function isInt64(count: bigint): boolean {
  return BigInt.asIntN(64, count) === count;
}
