import { ArrowportError, toArrowportError } from '../errors.ts';
import { noAudit } from './audit.ts';
import { ANYONE, requireScope, requireStream, type Scope } from './auth.ts';
import { defined } from './defined.ts';
import type { DeltaAccess, DeltaCallContext, DeltaTables } from './delta.ts';
import {
  findCount,
  findFlag,
  findNames,
  findText,
  findTexts,
  isOptions,
  type OptionValues,
  refuseUnknownOptions,
} from './delta-options.ts';
import { readStreamName } from './stream-name.ts';

/** An option as the references show it: a JSON Schema with a description. */
export type OptionSchema = Readonly<Record<string, unknown>> & { readonly description: string };

/** One thing that is done to Delta tables, with JSON in and JSON out; doors differ only in how the JSON comes. */
export interface DeltaVerb {
  readonly name: string;
  /** One line: what it does and what it answers. */
  readonly description: string;
  /** Whether it is done to one table. */
  readonly ofTable: boolean;
  /** Whether it may change the table. */
  readonly changes: boolean;
  /** What its caller must hold; what needs `admin` is taken down in the audit log. */
  readonly scope: Scope;
  readonly options: Readonly<Record<string, OptionSchema>>;
  /** The options that must be there. */
  readonly required: readonly string[];
  /** Throws OPTION_INVALID, TABLE_NOT_FOUND, VERSION_NOT_FOUND, and what the backend throws. */
  run(tables: DeltaTables, table: string, options: OptionValues, context: DeltaCallContext): Promise<object>;
}

const count = (description: string): OptionSchema => ({ type: 'integer', minimum: 0, description });
const flag = (description: string): OptionSchema => ({ type: 'boolean', description });
const text = (description: string): OptionSchema => ({ type: 'string', description });
const names = (description: string): OptionSchema => ({
  type: 'array',
  items: { type: 'string' },
  minItems: 1,
  description,
});
const texts = (description: string): OptionSchema => ({
  type: 'object',
  additionalProperties: { type: 'string' },
  description,
});

const targetSize = count('Size that files are aimed at, in bytes.');
const nothing = { scope: 'read', changes: false, options: {}, required: [] } as const;

/** Every verb, by its name. */
export const deltaVerbs = {
  list: {
    ...nothing,
    name: 'list',
    description: 'Lists the Delta tables: {"tables": [{name, version, files, bytes, rows}]}.',
    ofTable: false,
    run: async (tables, _table, _options, context) => {
      const { caller = ANYONE } = context;
      const listed = await tables.list(context);
      return { tables: listed.filter(({ name }) => caller.mayUseStream(name)) };
    },
  },
  info: {
    ...nothing,
    name: 'info',
    description:
      'Describes a table: {table, version, file_count, total_size_bytes, row_count, partitions, schema, properties}.',
    ofTable: true,
    run: (tables, table, _options, context) => tables.info(table, context),
  },
  history: {
    ...nothing,
    name: 'history',
    description: "A table's commits, newest first: {table, history: [{version, timestamp, operation, …}]}.",
    ofTable: true,
    options: { limit: count('Most commits to answer.') },
    run: (tables, table, options, context) =>
      tables.history(table, findCount(options, 'limit') ?? null, context),
  },
  vacuum: {
    name: 'vacuum',
    description:
      'Removes files that no version within the retention needs; only lists them unless dry_run is false: {files, deleted, dry_run}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: {
      retention_hours: count("Hours that old files are kept; default: the table's retention."),
      dry_run: flag('Whether files are only listed; default true.'),
      force: flag("Allows a retention_hours below the table's retention."),
    },
    required: [],
    run: (tables, table, options, context) =>
      tables.vacuum(
        table,
        defined({
          retention_hours: findCount(options, 'retention_hours'),
          dry_run: findFlag(options, 'dry_run'),
          force: findFlag(options, 'force'),
        }),
        context,
      ),
  },
  optimize: {
    name: 'optimize',
    description: 'Gathers small files into larger ones: {version, changed, metrics}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: {
      target_size: targetSize,
      partition: texts('Partition columns and values; only these partitions.'),
    },
    required: [],
    run: (tables, table, options, context) =>
      tables.optimize(
        table,
        defined({ target_size: findSize(options), partition: findTexts(options, 'partition') }),
        context,
      ),
  },
  'z-order': {
    name: 'z-order',
    description:
      'Rewrites files so that rows with near values in the columns are near: {version, changed, metrics}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: { columns: names('The columns.'), target_size: targetSize },
    required: ['columns'],
    run: (tables, table, options, context) => {
      const columns = findNames(options, 'columns');
      if (columns === undefined) throw missing('columns');
      return tables.zOrder(table, defined({ columns, target_size: findSize(options) }), context);
    },
  },
  restore: {
    name: 'restore',
    description:
      'Makes an earlier version the latest again, as a new commit: {version, changed, metrics, restored_version}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: {
      version: count('The version to restore.'),
      timestamp: text('RFC 3339: the version that was the latest then. Give this or version.'),
    },
    required: [],
    run: (tables, table, options, context) => {
      const version = findCount(options, 'version');
      const timestamp = findText(options, 'timestamp');
      if ((version === undefined) === (timestamp === undefined))
        throw new ArrowportError('OPTION_INVALID', 'Give either version or timestamp.');
      return tables.restore(table, defined({ version, timestamp }), context);
    },
  },
  checkpoint: {
    name: 'checkpoint',
    description: "Writes a checkpoint of the table's log: {version}.",
    ofTable: true,
    scope: 'admin',
    changes: false,
    options: {},
    required: [],
    run: (tables, table, _options, context) => tables.checkpoint(table, context),
  },
  'clean-log': {
    name: 'clean-log',
    description:
      "Removes log files that are older than the log's retention and not needed any more: {version}.",
    ofTable: true,
    scope: 'admin',
    changes: false,
    options: {},
    required: [],
    run: (tables, table, _options, context) => tables.cleanLog(table, context),
  },
  properties: {
    name: 'properties',
    description: 'Sets table properties: {version, properties}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: { properties: texts('Names and values, e.g. delta.enableChangeDataFeed: "true".') },
    required: ['properties'],
    run: (tables, table, options, context) => {
      const properties = findTexts(options, 'properties');
      if (properties === undefined) throw missing('properties');
      return tables.setProperties(table, properties, context);
    },
  },
  delete: {
    name: 'delete',
    description: 'Deletes the rows that a predicate names: {version, changed, metrics}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: { predicate: text('A SQL predicate over the columns; "true" deletes all rows.') },
    required: ['predicate'],
    run: (tables, table, options, context) => {
      const predicate = findText(options, 'predicate');
      if (predicate === undefined) throw missing('predicate');
      return tables.delete(table, { predicate }, context);
    },
  },
  update: {
    name: 'update',
    description:
      'Sets columns to SQL expressions in the rows that a predicate names: {version, changed, metrics}.',
    ofTable: true,
    scope: 'admin',
    changes: true,
    options: {
      updates: texts('Columns and the SQL expressions of their new values.'),
      predicate: text('A SQL predicate over the columns; left out: every row.'),
    },
    required: ['updates'],
    run: (tables, table, options, context) => {
      const updates = findTexts(options, 'updates');
      if (updates === undefined) throw missing('updates');
      return tables.update(
        table,
        { updates, ...defined({ predicate: findText(options, 'predicate') }) },
        context,
      );
    },
  },
} as const satisfies Record<string, DeltaVerb>;

/**
 * Runs a verb with a client's options. `table` is passed over where the verb is of no table. Throws FORBIDDEN besides
 * what the verb throws.
 */
export async function runDeltaVerb(
  access: DeltaAccess,
  verb: DeltaVerb,
  table: string | null,
  options: OptionValues,
  context: DeltaCallContext,
): Promise<object> {
  const { caller = ANYONE } = context;
  requireScope(caller, verb.scope);
  if (verb.ofTable) requireStream(caller, table ?? '');
  refuseUnknownOptions(options, Object.keys(verb.options));
  const name = verb.ofTable ? readStreamName(table ?? '') : '';
  if (verb.scope === 'read') return verb.run(await access.tables(), name, options, context);
  const result = await recorded(access, verb, name, context, async () =>
    verb.run(await access.tables(), name, options, context),
  );
  if (verb.changes) access.changed(name);
  return result;
}

/** Runs a change and takes it down, however it ends. */
async function recorded(
  { audit = noAudit }: DeltaAccess,
  verb: DeltaVerb,
  table: string,
  { caller = ANYONE, requestId, transport = 'http' }: DeltaCallContext,
  run: () => Promise<object>,
): Promise<object> {
  audit.ensureWritable();
  const event = {
    caller: caller.name,
    action: verb.name,
    requestId,
    transport,
    table,
    backend: 'delta',
  } as const;
  try {
    const result = await run();
    const version =
      'version' in result && typeof result.version === 'number' ? { version: result.version } : {};
    audit.record({ ...event, outcome: 'committed', ...version });
    return result;
  } catch (thrown) {
    const { outcome, code } = toArrowportError(thrown);
    audit.record({ ...event, outcome, code });
    throw thrown;
  }
}

/** Parses the JSON of a verb's options; nothing at all stands for `{}`. Throws OPTION_INVALID. */
export function parseOptions(bytes: Uint8Array): OptionValues {
  if (bytes.byteLength === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', 'The options are not JSON in UTF-8.', { cause });
  }
  if (isOptions(value)) return value;
  throw new ArrowportError('OPTION_INVALID', 'The options must be a JSON object.');
}

function findSize(options: OptionValues): number | undefined {
  const size = findCount(options, 'target_size');
  if (size === 0) throw new ArrowportError('OPTION_INVALID', 'target_size must be at least 1 byte.');
  return size;
}

function missing(name: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', `${name} is missing.`);
}
