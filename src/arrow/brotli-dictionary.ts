import { NotFollowed } from './brotli-bits.ts';

/** By the length of its words from 4 on: bits of a word's number. */
const wordBits = [10, 10, 11, 11, 10, 10, 10, 10, 10, 9, 9, 8, 7, 7, 8, 7, 7, 6, 6, 5, 5] as const;
const shortestWord = 4;
/** For each transform, in base 36: bytes that it puts before and behind a word together, and bytes of the word that it leaves out. */
const addedBytes =
  '0120151340500322443112101500361213061640050604440421330001204390031212225d17121153323121224345142231412222422233112223333';
const omittedBytes =
  '0001000000021000000000030032000000400005604000007100009760080005900000000000000000000000000000000000000000000000000000000';
const numberBase = 36;

/**
 * How long the transformed word of the static dictionary is that a copy of `length` bytes stands for, from `address`
 * bytes beyond all that there is. Throws NotFollowed where there is none.
 * @see https://www.rfc-editor.org/rfc/rfc7932#section-8
 */
export function wordLength(length: number, address: number): number {
  const bits = wordBits[length - shortestWord];
  const transform = bits === undefined ? -1 : Math.floor(address / 2 ** bits);
  const added = addedBytes[transform];
  const omitted = omittedBytes[transform];
  if (added === undefined || omitted === undefined) throw new NotFollowed();
  return Math.max(0, length - Number(omitted)) + Number.parseInt(added, numberBase);
}
