import { ArrowportError } from '../errors.ts';

const STREAM_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** Whether a text may name a stream (or a Delta table, which follows the same rule). */
export function isStreamName(name: string): boolean {
  return STREAM_NAME.test(name);
}

/** Returns the name as it is. Throws STREAM_NAME_INVALID when it may not name a stream. */
export function readStreamName(name: string): string {
  if (isStreamName(name)) return name;
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  throw new ArrowportError(
    'STREAM_NAME_INVALID',
    `${JSON.stringify(shown)} is no stream name: use 1 to 128 characters of A-Z a-z 0-9 _ - . that start with a letter, a digit or _.`,
  );
}
