import { type Document, LineCounter, parseDocument } from 'yaml';
import type { ConfigPath } from './path.ts';
import { createConfigError, type ProblemPlace } from './problem.ts';
import type { Environment } from './substitute.ts';
import { EntryReader } from './yaml-entries.ts';

/** A parsed file that remembers where each of its values stands. */
export interface YamlDocument {
  readonly file: string;
  /** Plain values, variables replaced; null for an empty file. */
  readonly value: unknown;
  /** The place of a value or of its key; of the nearest one above it when the path is not in the file. */
  locate(path: ConfigPath, part: 'key' | 'value'): ProblemPlace;
  /** Whether the value holds text from the environment: it may be a secret, and it may stand for a number. */
  isSubstituted(path: ConfigPath): boolean;
}

/** Parses a YAML file. Throws CONFIG_INVALID with every problem of syntax, duplicate keys and variables. */
export function readYamlDocument(text: string, file: string, environment: Environment): YamlDocument {
  const lines = new LineCounter();
  const place = (offset: number): ProblemPlace => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const document = parse(text, lines, place);
  const reader = new EntryReader(document, text, environment, place);
  const root = reader.readRoot();
  if (reader.problems.length > 0) throw createConfigError(reader.problems);
  const find = (path: ConfigPath) => {
    let entry = root;
    for (const key of path) {
      const child = entry.children.get(key);
      if (child === undefined) return { entry, whole: false };
      entry = child;
    }
    return { entry, whole: true };
  };
  return {
    file,
    value: root.value,
    locate(path, part) {
      const { entry } = find(path);
      return place(part === 'key' ? entry.keyOffset : entry.offset);
    },
    isSubstituted(path) {
      const { entry, whole } = find(path);
      return whole && entry.substituted;
    },
  };
}

function parse(text: string, lineCounter: LineCounter, place: (offset: number) => ProblemPlace): Document {
  let document: Document;
  try {
    document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, strict: true });
  } catch (cause) {
    throw createConfigError([{ place: place(0), subject: '', text: 'the YAML is nested too deeply' }], cause);
  }
  // One mistake in the syntax often makes the parser stumble again further down: only the first is told.
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault === undefined) return document;
  const problem = describeSyntax(fault.code, fault.message);
  throw createConfigError([{ place: place(fault.pos[0]), subject: '', text: problem }], fault);
}

function describeSyntax(code: string, message: string): string {
  if (code === 'RESOURCE_EXHAUSTION' || message.includes('call stack'))
    return 'the YAML is nested too deeply';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here (---); a configuration is one document';
  // What the parser quotes may be a secret; a sign or two of syntax is none.
  const [line = ''] = message.replaceAll(/"(?:[^"\\]|\\.){9,}"/g, '"…"').split('\n');
  return `not valid YAML: ${line.slice(0, 200)}`;
}
