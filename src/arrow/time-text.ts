const pairs = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, '0'));
/** The days of years 1 to 9999, whose dates have four digits of year. */
const firstDay = -719_162;
const lastDay = 2_932_896;

/** What was written last: days of neighbouring rows are mostly one. */
let written = { day: Number.NaN, text: '' };

/**
 * A day, counted from 1970-01-01, as `YYYY-MM-DD`; null outside of the years 1 to 9999.
 * @see https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
export function dayText(day: number): string | null {
  if (day === written.day) return written.text;
  if (day < firstDay || day > lastDay) return null;
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const date = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const text = `${pairs[Math.floor(year / 100)]}${pairs[year % 100]}-${pairs[month]}-${pairs[date]}`;
  written = { day, text };
  return text;
}

/** Seconds of a day as `HH:MM:SS`. */
export function clockText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return `${pairs[hours]}:${pairs[minutes - hours * 60]}:${pairs[seconds - minutes * 60]}`;
}

/** A part of a second after its point, without the zeros at its end; empty for none. */
export function fractionText(part: number, whole: number): string {
  if (part === 0) return '';
  const digits = String(part + whole);
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 0x30) end -= 1;
  return `.${digits.slice(1, end)}`;
}
