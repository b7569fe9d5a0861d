import { requireStream } from '../../core/auth.ts';
import { defined } from '../../core/defined.ts';
import type {
  ChangesOptions,
  DeltaAccess,
  DeltaCallContext,
  DeltaRowStream,
  DeltaTables,
  ReadOptions,
} from '../../core/delta.ts';
import {
  findCount,
  findNames,
  findText,
  type OptionValues,
  refuseUnknownOptions,
} from '../../core/delta-options.ts';
import { type DeltaVerb, deltaVerbs, parseOptions, runDeltaVerb } from '../../core/delta-verbs.ts';
import { readStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightAction } from './actions.ts';

/**
 * The verbs of Delta tables as actions: the body is the JSON of the HTTP route with `"table"` in it, the one result its
 * answer. `read` and `changes` answer rows: the results one after another are an Arrow IPC stream.
 */
export function createDeltaActions(access: DeltaAccess): readonly FlightAction[] {
  return [
    ...Object.values(deltaVerbs).map((verb) => createAction(access, verb)),
    createRowsAction(access, {
      name: 'read',
      description: 'The rows of a table, of now, of a version or of a time',
      options: ['version', 'timestamp', ...SELECTION],
      open: (tables, table, options, context) => tables.read(table, readReadOptions(options), context),
    }),
    createRowsAction(access, {
      name: 'changes',
      description: 'The change data feed of a table, from one version to another',
      options: ['from', 'to', ...SELECTION],
      open: (tables, table, options, context) => tables.changes(table, readChangesOptions(options), context),
    }),
  ];
}

const SELECTION = ['columns', 'filter', 'limit'] as const;

interface RowsAction {
  readonly name: string;
  readonly description: string;
  readonly options: readonly string[];
  open(
    tables: DeltaTables,
    table: string,
    options: OptionValues,
    context: DeltaCallContext,
  ): Promise<DeltaRowStream>;
}

function createRowsAction(access: DeltaAccess, action: RowsAction): FlightAction {
  const takes = ['table', ...action.options].join(', ');
  return {
    name: action.name,
    description: `Delta Lake. ${action.description}: the results together are an Arrow IPC stream. Takes JSON with ${takes}.`,
    scopes: ['read'],
    async *run(bytes, signal, { requestId, caller }) {
      const { table, ...options } = parseOptions(bytes);
      const name = readTable(table);
      requireStream(caller, name);
      refuseUnknownOptions(options, action.options);
      const context = { requestId, caller, transport: 'flight', signal } as const;
      const rows = await action.open(await access.tables(), readStreamName(name), options, context);
      yield* rows.bytes;
    },
  };
}

function readReadOptions(options: OptionValues): ReadOptions {
  return {
    ...readSelection(options),
    ...defined({ version: findCount(options, 'version'), timestamp: findText(options, 'timestamp') }),
  };
}

function readChangesOptions(options: OptionValues): ChangesOptions {
  return {
    ...readSelection(options),
    ...defined({ from: findCount(options, 'from'), to: findCount(options, 'to') }),
  };
}

function readSelection(options: OptionValues): Pick<ReadOptions, 'columns' | 'filter' | 'limit' | 'format'> {
  const columns = findNames(options, 'columns');
  const filter = findText(options, 'filter');
  return { format: 'arrow', ...defined({ columns, filter, limit: findCount(options, 'limit') }) };
}

function createAction(access: DeltaAccess, verb: DeltaVerb): FlightAction {
  const known = [...(verb.ofTable ? ['table'] : []), ...Object.keys(verb.options)];
  const body = known.length === 0 ? 'no options' : `JSON with ${known.join(', ')}`;
  return {
    name: verb.name,
    description: `Delta Lake. ${verb.description} Takes ${body}.`,
    scopes: [verb.scope],
    async run(bytes, signal, { requestId, caller }) {
      const { table, ...options } = parseOptions(bytes);
      const name = verb.ofTable ? readTable(table) : null;
      if (!verb.ofTable && table !== undefined)
        throw new ArrowportError('OPTION_INVALID', `The action ${verb.name} takes no table.`);
      const context = { requestId, caller, transport: 'flight', signal } as const;
      return Buffer.from(JSON.stringify(await runDeltaVerb(access, verb, name, options, context)));
    },
  };
}

function readTable(table: unknown): string {
  if (typeof table === 'string') return table;
  throw new ArrowportError('OPTION_INVALID', 'The action needs "table", the name of a Delta table.');
}
