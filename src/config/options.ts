import { globalRegistry, type ZodNumber } from 'zod';
import type { $ZodType, $ZodTypes } from 'zod/v4/core';
import type { ConfigPath } from './path.ts';
import { configSchema } from './schema.ts';

/** What a component's config.ts says of an option beside its type. */
export interface OptionManual {
  readonly description: string;
  /** Whether the option is only read at start. */
  readonly restart: boolean;
}

/** One option of the document. */
export interface ConfigOption extends OptionManual {
  /** Its path, with `*` for keys that users choose. */
  readonly path: ConfigPath;
  readonly expected: string;
  /** Undefined for a section, whose defaults are those of its options. */
  readonly defaultValue: unknown;
  readonly isSection: boolean;
}

/** The schema at a path, or undefined where the path names no option. */
export function findSchema(path: ConfigPath): $ZodType | undefined {
  let schema: $ZodType | undefined = configSchema;
  for (const key of path) {
    const def: $ZodTypes['_zod']['def'] = unwrap(schema)._zod.def;
    if (def.type === 'object') schema = Object.hasOwn(def.shape, key) ? def.shape[key] : undefined;
    else if (def.type === 'record') schema = def.valueType;
    else if (def.type === 'array') schema = def.element;
    else schema = undefined;
    if (schema === undefined) return undefined;
  }
  return schema;
}

/** The keys that a section knows; empty where users choose them. */
export function listKeys(path: ConfigPath): readonly string[] {
  const schema = findSchema(path);
  const def = schema === undefined ? undefined : unwrap(schema)._zod.def;
  return def?.type === 'object' ? Object.keys(def.shape) : [];
}

/** Whether a change at the path is only read at start. */
export function needsRestart(path: ConfigPath): boolean {
  return path.some((_, index) => {
    const schema = findSchema(path.slice(0, index + 1));
    return schema !== undefined && readManual(schema).restart;
  });
}

/** Every option in the order of the document, each section before its options. */
export function listOptions(): readonly ConfigOption[] {
  return listBelow(configSchema, []);
}

function listBelow(schema: $ZodType, path: ConfigPath): ConfigOption[] {
  const { def } = unwrap(schema)._zod;
  if (def.type === 'record')
    return unwrap(def.valueType)._zod.def.type === 'object' ? listOne(def.valueType, [...path, '*']) : [];
  if (def.type !== 'object') return [];
  return Object.entries(def.shape).flatMap(([key, child]) => listOne(child, [...path, key]));
}

function listOne(schema: $ZodType, path: ConfigPath): ConfigOption[] {
  const below = listBelow(schema, path);
  const isSection = below.length > 0;
  const defaultValue = isSection && !isNullable(schema) ? undefined : readDefault(schema);
  return [
    { path, expected: describeExpected(schema, path), defaultValue, isSection, ...readManual(schema) },
    ...below,
  ];
}

function readDefault(schema: $ZodType): unknown {
  const { def } = (schema as $ZodTypes)._zod;
  return def.type === 'default' || def.type === 'prefault' ? def.defaultValue : undefined;
}

/** What a value must be, in words: `a whole number from 0 to 65535, or null`. */
export function describeExpected(schema: $ZodType, path: ConfigPath): string {
  const own = findMeta(schema, 'expected');
  const text = typeof own === 'string' ? own : describeInner(unwrap(schema), path.at(-1) ?? '');
  if (!isNullable(schema)) return text;
  return text.startsWith('one of ') ? `${text}, null` : `${text}, or null`;
}

function describeInner(schema: $ZodTypes, key: string): string {
  const { def } = schema._zod;
  switch (def.type) {
    case 'number': {
      const { minValue, maxValue, isInt } = schema as unknown as ZodNumber;
      const what = `${isInt ? 'a whole number' : 'a number'}${describeUnit(key)}`;
      if (maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER)
        return `${what} from ${minValue} to ${maxValue}`;
      return minValue === null ? what : `${what}, ${minValue} or more`;
    }
    case 'enum':
      return `one of ${Object.values(def.entries).join(', ')}`;
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'text';
    case 'array':
      return 'a list';
    default:
      return 'a section (key: value)';
  }
}

function describeUnit(key: string): string {
  if (/(^|_)bytes$|_file_size$/.test(key)) return ' of bytes';
  if (key === 'rows' || key === 'chunk_size') return ' of rows';
  const unit = /_(seconds|hours)$/.exec(key)?.[1];
  return unit === undefined ? (key.endsWith('_ms') ? ' of milliseconds' : '') : ` of ${unit}`;
}

function readManual(schema: $ZodType): OptionManual {
  const description = findMeta(schema, 'description');
  return {
    description: typeof description === 'string' ? description : '',
    restart: findMeta(schema, 'restart') === true,
  };
}

/** Looks a meta key up on the schema and on what it wraps, outermost first. */
function findMeta(schema: $ZodType, key: string): unknown {
  for (let current: $ZodType | undefined = schema; current !== undefined; current = findWrapped(current)) {
    const value = globalRegistry.get(current)?.[key];
    if (value !== undefined) return value;
  }
  return undefined;
}

function isNullable(schema: $ZodType): boolean {
  for (let current: $ZodType | undefined = schema; current !== undefined; current = findWrapped(current)) {
    if ((current as $ZodTypes)._zod.def.type === 'nullable') return true;
  }
  return false;
}

function findWrapped(schema: $ZodType): $ZodType | undefined {
  const { def } = (schema as $ZodTypes)._zod;
  switch (def.type) {
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'optional':
      return def.innerType;
    case 'pipe':
      return def.in;
    default:
      return undefined;
  }
}

function unwrap(schema: $ZodType): $ZodTypes {
  let current = schema;
  for (let inner = findWrapped(current); inner !== undefined; inner = findWrapped(current)) current = inner;
  return current as $ZodTypes;
}
