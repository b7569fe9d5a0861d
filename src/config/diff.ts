import { isDeepStrictEqual } from 'node:util';
import { needsRestart } from './options.ts';
import { type ConfigPath, describePath } from './path.ts';
import type { Config } from './schema.ts';

/** What changed between two configurations, as paths such as `streams.sensors.target_table`. */
export interface ConfigDifference {
  readonly changed: readonly string[];
  /** Those of `changed` that are only read at start, and so are not in force before a restart. */
  readonly needsRestart: readonly string[];
}

/** Compares two configurations key by key; a stream that came or went is one change. Values are never told. */
export function diffConfig(before: Config, after: Config): ConfigDifference {
  const changed = listChanges(before, after, []);
  return {
    changed: changed.map(describePath),
    needsRestart: changed.filter(needsRestart).map(describePath),
  };
}

function listChanges(before: unknown, after: unknown, path: ConfigPath): ConfigPath[] {
  if (!isSection(before) || !isSection(after)) return isDeepStrictEqual(before, after) ? [] : [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => listChanges(before[key], after[key], [...path, key]));
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
