import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type Scalar, type YAMLMap } from 'yaml';
import { type ConfigPath, describePath } from './path.ts';
import type { ConfigProblem, ProblemPlace } from './problem.ts';
import { type Environment, substituteVariables } from './substitute.ts';

/** A value with its place in the file, as offsets in the text. */
export interface YamlEntry {
  readonly keyOffset: number;
  readonly offset: number;
  readonly value: unknown;
  readonly substituted: boolean;
  readonly children: ReadonlyMap<string, YamlEntry>;
}

/** Bounds what aliases may unfold to. */
const maxNodes = 200_000;
const maxDepth = 64;
const noChildren: ReadonlyMap<string, YamlEntry> = new Map();

/**
 * Turns the syntax tree into plain values and their places, once; what is wrong on the way (keys that are there
 * twice, unset variables, floods of aliases) is gathered in `problems`, and the values mean nothing then.
 */
export class EntryReader {
  readonly problems: ConfigProblem[] = [];
  readonly #document: Document;
  readonly #text: string;
  readonly #environment: Environment;
  readonly #place: (offset: number) => ProblemPlace;
  #nodes = 0;

  constructor(
    document: Document,
    text: string,
    environment: Environment,
    place: (offset: number) => ProblemPlace,
  ) {
    this.#document = document;
    this.#text = text;
    this.#environment = environment;
    this.#place = place;
  }

  readRoot(): YamlEntry {
    return this.#read(this.#document.contents, 0, []);
  }

  #read(node: Node | null, keyOffset: number, path: ConfigPath): YamlEntry {
    const offset = node?.range?.[0] ?? keyOffset;
    const leaf = (value: unknown, substituted = false): YamlEntry => ({
      keyOffset,
      offset,
      value,
      substituted,
      children: noChildren,
    });
    if (this.#nodes > maxNodes) return leaf(null);
    this.#nodes += 1;
    if (this.#nodes > maxNodes) this.#report(offset, path, 'the aliases unfold to too much');
    if (path.length > maxDepth) {
      this.#nodes = maxNodes + 1;
      this.#report(offset, path.slice(0, 3), 'the document is nested too deeply, or an alias holds itself');
      return leaf(null);
    }
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined)
        this.#report(offset, path, `no anchor &${node.source} stands before this alias`);
      return { ...this.#read(target ?? null, keyOffset, path), keyOffset };
    }
    if (isMap(node)) return this.#readMap(node, { keyOffset, offset }, path);
    if (isSeq(node)) {
      const entries = node.items.map((item, index) =>
        this.#read(item as Node, offset, [...path, String(index)]),
      );
      const children = new Map(entries.map((entry, index) => [String(index), entry]));
      return { keyOffset, offset, value: entries.map((entry) => entry.value), substituted: false, children };
    }
    if (!isScalar(node)) return leaf(null);
    const value = readScalar(node);
    return typeof value === 'string' ? this.#readText(value, node, leaf, path) : leaf(value);
  }

  #readMap(map: YAMLMap, at: Pick<YamlEntry, 'keyOffset' | 'offset'>, path: ConfigPath): YamlEntry {
    const children = new Map<string, YamlEntry>();
    const merged: YamlEntry[] = [];
    for (const { key, value } of map.items) {
      const keyOffset = (key as Node | null)?.range?.[0] ?? at.offset;
      if (!isScalar(key)) {
        this.#report(keyOffset, path, 'a key must be plain text');
        continue;
      }
      const name = readKey(key);
      const entry = this.#read(value as Node | null, keyOffset, [...path, name]);
      if (name === '<<' && key.type === 'PLAIN') {
        merged.push(...(Array.isArray(entry.value) ? entry.children.values() : [entry]));
      } else if (name === '__proto__') {
        this.#report(keyOffset, [...path, name], 'this name is not allowed here');
      } else if (children.has(name)) {
        this.#report(keyOffset, [...path, name], 'the key is there twice');
      } else {
        children.set(name, entry);
      }
    }
    for (const entry of merged) {
      if (!isPlainObject(entry.value))
        this.#report(entry.offset, [...path, '<<'], 'expected a mapping to merge');
      for (const [name, child] of entry.children) if (!children.has(name)) children.set(name, child);
    }
    const value = Object.fromEntries([...children].map(([name, entry]) => [name, entry.value]));
    return { ...at, value, substituted: false, children };
  }

  #readText(
    value: string,
    node: Scalar,
    leaf: (value: unknown, substituted?: boolean) => YamlEntry,
    path: ConfigPath,
  ): YamlEntry {
    const result = substituteVariables(value, this.#environment);
    if (result.kind === 'unchanged') return leaf(value);
    if (result.kind === 'replaced') return leaf(result.text, true);
    const start = node.range?.[0] ?? 0;
    const found = this.#text.indexOf(result.reference, start);
    const inside = found !== -1 && found < (node.range?.[1] ?? 0);
    this.#report(inside ? found : start, path, result.message);
    return leaf(value);
  }

  #report(offset: number, path: ConfigPath, text: string): void {
    this.problems.push({ place: this.#place(offset), subject: describePath(path), text });
  }
}

/** A key is the text that stands there: `007` and `1.10` are names, not numbers. */
function readKey(key: Scalar): string {
  return key.type === 'PLAIN' && key.source !== undefined ? key.source : String(key.value);
}

/** Digits that a number would not give back as they stand (leading zeros, more than 53 bits) stay text. */
function readScalar(node: Scalar): unknown {
  const { value, source } = node;
  if (typeof value !== 'number' || source === undefined || !/^\d+$/.test(source)) return value;
  return String(value) === source && Number.isSafeInteger(value) ? value : source;
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
