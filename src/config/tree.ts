import type { ConfigPath } from './path.ts';

/** Holds plain values; the holder makes the root replaceable like any other value. */
export interface Tree {
  value: unknown;
}

type Section = Record<string, unknown>;

/** The value at a path; undefined where there is none. */
export function valueAt(root: unknown, path: ConfigPath): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Section)[key];
  }
  return value;
}

/** Puts a value at a path, copying the sections on the way; returns whether there was a section to hold it. */
export function replaceAt(tree: Tree, path: ConfigPath, value: unknown): boolean {
  const next = withValue(tree.value, path, value);
  if (next === undefined) return false;
  tree.value = next;
  return true;
}

function withValue(current: unknown, path: ConfigPath, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof current !== 'object' || current === null) return undefined;
  const child = withValue(valueAt(current, [key]), rest, value);
  if (child === undefined) return undefined;
  if (Array.isArray(current))
    return current.map((item: unknown, index) => (String(index) === key ? child : item));
  return { ...current, [key]: child };
}

/** What a text would be if it stood in the file without quotes: a number, true, false, null, else itself. */
export function readTypedText(text: string): unknown {
  const trimmed = text.trim();
  if (/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(trimmed)) return Number(trimmed);
  if (trimmed === 'true' || trimmed === 'false') return trimmed === 'true';
  return trimmed === '' || trimmed === 'null' || trimmed === '~' ? null : text;
}
