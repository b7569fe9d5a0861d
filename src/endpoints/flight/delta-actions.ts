import type { DeltaAccess } from '../../core/delta.ts';
import { type DeltaVerb, deltaVerbs, parseOptions, runDeltaVerb } from '../../core/delta-verbs.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightAction } from './actions.ts';

/** The verbs of Delta tables as actions: the body is the JSON of the HTTP route with `"table"` in it, the one result its answer. */
export function createDeltaActions(access: DeltaAccess): readonly FlightAction[] {
  return Object.values(deltaVerbs).map((verb) => createAction(access, verb));
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
