import type { $ZodIssue } from 'zod/v4/core';
import { findTargetFault } from '../router/config.ts';
import { freezeDeep } from './immutable.ts';
import { describeExpected, findSchema, listKeys } from './options.ts';
import { type ConfigPath, describePath, isWithin } from './path.ts';
import { type ConfigProblem, createConfigError, type ProblemPlace } from './problem.ts';
import { type Config, configSchema } from './schema.ts';
import type { Environment } from './substitute.ts';
import { findSuggestion } from './suggestion.ts';
import { readTypedText, replaceAt, type Tree, valueAt } from './tree.ts';
import { readYamlDocument, type YamlDocument } from './yaml-document.ts';

/** A value that a variable or a flag puts over the file's. */
export interface ConfigOverride {
  readonly path: ConfigPath;
  readonly value: unknown;
  /** What people call it: `ARROWPORT_PORT`, `--port`. */
  readonly name: string;
}

/** Everything that one configuration is made of; later ones win. */
export interface ConfigSources {
  readonly document: YamlDocument | null;
  /** Its `streams` stands in the place of the document's. */
  readonly streams: YamlDocument | null;
  readonly overrides: readonly ConfigOverride[];
}

/** Checks the text of one file and fills the defaults in. Pure. Throws CONFIG_INVALID, a line for each problem. */
export function checkConfig(text: string, fileName: string, environment: Environment): Config {
  const document = readYamlDocument(text, fileName, environment);
  return checkSources({ document, streams: null, overrides: [] });
}

/** Checks what all sources say together. Pure. Throws CONFIG_INVALID, a line for each problem. */
export function checkSources(sources: ConfigSources): Config {
  const root = createRoot(sources);
  // A variable in a numeric field and a section with nothing in it become what the schema asks for; each
  // round may uncover the next level.
  for (let round = 0; ; round++) {
    const result = configSchema.safeParse(root.value);
    const issues = result.error?.issues ?? [];
    const adapted = round < 8 && issues.map((issue) => adapt(root, issue, sources)).includes(true);
    if (adapted) continue;
    const problems = issues.flatMap((issue) => describeIssue(issue, root, sources));
    problems.push(...listTargetFaults(root.value, sources));
    if (!result.success || problems.length > 0) throw createConfigError(problems);
    return freezeDeep(result.data);
  }
}

function createRoot({ document, streams, overrides }: ConfigSources): Tree {
  const root: Tree = { value: document?.value ?? {} };
  if (streams !== null) replaceAt(root, ['streams'], valueAt(streams.value, ['streams']));
  for (const { path, value } of overrides) replaceAt(root, path, value);
  return root;
}

/** What a table may be called depends on the backend, which the root may give: hence not in the schema of a route. */
function listTargetFaults(value: unknown, sources: ConfigSources): ConfigProblem[] {
  const streams = valueAt(value, ['streams']);
  if (typeof streams !== 'object' || streams === null) return [];
  return Object.entries(streams).flatMap(([name, route]) => {
    const path = ['streams', name, 'target_table'];
    const target = valueAt(route, ['target_table']);
    const backend = valueAt(route, ['storage_backend']) ?? valueAt(value, ['storage_backend']);
    const text =
      typeof target === 'string'
        ? findTargetFault(target, backend === 'delta' ? 'delta' : 'duckdb')
        : undefined;
    return text === undefined
      ? []
      : [{ place: findPlace(path, 'value', sources), subject: describePath(path), text }];
  });
}

/** Whether the value at fault could be turned into one that may pass. */
function adapt(root: Tree, issue: $ZodIssue, sources: ConfigSources): boolean {
  const path = issue.path.map(String);
  const value = valueAt(root.value, path);
  if (issue.code === 'invalid_type' && value === null) {
    if (issue.expected === 'object' || issue.expected === 'record') return replaceAt(root, path, {});
    if (issue.expected === 'array') return replaceAt(root, path, []);
  }
  if (typeof value !== 'string' || issue.code === 'custom' || !isFromOutside(path, sources)) return false;
  const typed = readTypedText(value);
  return typed !== value && replaceAt(root, path, typed);
}

/** Whether the value came from the environment or a flag: it is text, whatever is meant, and it may be a secret. */
function isFromOutside(path: ConfigPath, sources: ConfigSources): boolean {
  if (sources.overrides.some((override) => isWithin(path, override.path))) return true;
  return findDocument(path, sources)?.isSubstituted(path) ?? false;
}

function findDocument(path: ConfigPath, { document, streams }: ConfigSources): YamlDocument | null {
  return streams !== null && path[0] === 'streams' ? streams : document;
}

function describeIssue(issue: $ZodIssue, root: Tree, sources: ConfigSources): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      place: findPlace([...path, key], 'key', sources),
      subject: describePath([...path, key]),
      text: describeUnknownKey(key, path),
    }));
  }
  const override = sources.overrides.find((candidate) => isWithin(path, candidate.path));
  return [
    {
      place: findPlace(path, issue.code === 'invalid_key' ? 'key' : 'value', sources),
      subject: override === undefined ? describePath(path) : '',
      text: describeFault(issue, path, root, sources),
    },
  ];
}

function findPlace(path: ConfigPath, part: 'key' | 'value', sources: ConfigSources): ProblemPlace {
  const override = sources.overrides.find((candidate) => isWithin(path, candidate.path));
  if (override !== undefined) return { name: override.name };
  return findDocument(path, sources)?.locate(path, part) ?? { name: 'configuration' };
}

function describeUnknownKey(key: string, section: ConfigPath): string {
  const keys = listKeys(section);
  const meant = findSuggestion(key, keys);
  if (meant !== undefined) return `there is no such key; did you mean ${meant}?`;
  return `there is no such key; the keys here are ${keys.join(', ')}`;
}

function describeFault(issue: $ZodIssue, path: ConfigPath, root: Tree, sources: ConfigSources): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'invalid_key') return describeKeyFault(issue.issues[0], path);
  const schema = findSchema(path);
  if (schema === undefined) return 'this value is not allowed';
  const expected = `expected ${describeExpected(schema, path)}`;
  const found = describeFound(valueAt(root.value, path));
  return isFromOutside(path, sources) || found === undefined ? expected : `${expected}; found ${found}`;
}

function describeKeyFault(inner: $ZodIssue | undefined, path: ConfigPath): string {
  if (inner?.code === 'custom') return inner.message;
  return `this is no name for an entry of ${describePath(path.slice(0, -1))}`;
}

/** What stands there, told so that it cannot give a secret away: texts are only called text. */
function describeFound(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value === null) return 'nothing';
  if (typeof value === 'string') return value === '' ? 'empty text' : 'text';
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a section (key: value)';
  return String(value);
}
