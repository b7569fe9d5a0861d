import type { FrameHeader } from '../../processes/frame-codec.ts';

/** The worker answered something that its protocol does not know: a bug, for the log. */
export class WireValueError extends Error {
  constructor(name: string, wanted: string) {
    super(`the Delta worker's answer has no ${wanted} under ${JSON.stringify(name)}`);
    this.name = 'WireValueError';
  }
}

/** A JSON object of the wire. */
export type WireObject = FrameHeader;

/** Whether a JSON value is an object. */
export function isWireObject(value: unknown): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object under a name. Throws WireValueError. */
export function readObject(from: WireObject, name: string): WireObject {
  const value = from[name];
  if (isWireObject(value)) return value;
  throw new WireValueError(name, 'object');
}

/** The object under a name, null where it is null or absent. Throws WireValueError. */
export function readObjectOrNull(from: WireObject, name: string): WireObject | null {
  const value = from[name];
  return value === null || value === undefined ? null : readObject(from, name);
}

/** The text under a name. Throws WireValueError. */
export function readText(from: WireObject, name: string): string {
  const value = from[name];
  if (typeof value === 'string') return value;
  throw new WireValueError(name, 'text');
}

/** The number under a name. Throws WireValueError. */
export function readNumber(from: WireObject, name: string): number {
  const value = from[name];
  if (typeof value === 'number') return value;
  throw new WireValueError(name, 'number');
}

/** The number under a name, null where it is null or absent. Throws WireValueError. */
export function readNumberOrNull(from: WireObject, name: string): number | null {
  const value = from[name];
  return value === null || value === undefined ? null : readNumber(from, name);
}

/** The flag under a name. Throws WireValueError. */
export function readFlag(from: WireObject, name: string): boolean {
  const value = from[name];
  if (typeof value === 'boolean') return value;
  throw new WireValueError(name, 'flag');
}

/** The list under a name. Throws WireValueError. */
export function readList(from: WireObject, name: string): readonly unknown[] {
  const value = from[name];
  if (Array.isArray(value)) return value;
  throw new WireValueError(name, 'list');
}

/** The list of texts under a name. Throws WireValueError. */
export function readTexts(from: WireObject, name: string): readonly string[] {
  const list = readList(from, name);
  if (list.every((item): item is string => typeof item === 'string')) return list;
  throw new WireValueError(name, 'list of texts');
}

/** The object of texts under a name. Throws WireValueError. */
export function readTextMap(from: WireObject, name: string): Readonly<Record<string, string>> {
  const entries: Record<string, string> = {};
  const object = readObject(from, name);
  for (const key of Object.keys(object)) entries[key] = readText(object, key);
  return entries;
}
