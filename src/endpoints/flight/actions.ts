import { requireScope, type Scope } from '../../core/auth.ts';
import type { Operations } from '../../core/operations.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightCall } from './call-context.ts';
import { UnimplementedError } from './status.ts';

/** Who asks for an action. */
export type ActionContext = FlightCall;

/** One action of DoAction; other rooms' actions come through the endpoint's dependencies. */
export interface FlightAction {
  readonly name: string;
  /** One line for ListActions. */
  readonly description: string;
  /** One of these is enough; empty: any caller who is known. Absent: `admin`. */
  readonly scopes?: readonly Scope[];
  /** Runs with the action's body; each chunk is the body of one Result. Throws ArrowportError. */
  run(
    body: Uint8Array,
    signal: AbortSignal,
    context: ActionContext,
  ): AsyncIterable<Uint8Array> | Promise<Uint8Array>;
}

/**
 * The actions that end what was begun before: a server that drains still takes them. ADBC begins the next transaction with
 * each commit, and reports a commit whose successor is refused as failed, although it is durable.
 */
const endings: ReadonlySet<string> = new Set([
  'BeginTransaction',
  'CancelFlightInfo',
  'CancelQuery',
  'ClosePreparedStatement',
  'CloseSession',
  'EndSavepoint',
  'EndTransaction',
]);

/** Whether an action ends what was begun before, such as a statement or a transaction, or belongs to such an end. */
export function endsWhatBegan(action: string): boolean {
  return endings.has(action);
}

/** The actions that every server has: `healthcheck` and `reload`. */
export function createOperationActions(operations: Operations): readonly FlightAction[] {
  return [
    {
      name: 'healthcheck',
      description: 'Whether the server is ready, as JSON: {"status", "reasons", "version"}.',
      scopes: [],
      async run() {
        const reasons = await operations.readiness();
        const status = reasons.length === 0 ? 'ready' : 'unavailable';
        return toJson({ status, reasons, version: operations.version });
      },
    },
    {
      name: 'reload',
      description:
        'Reloads the configuration now; answers the difference as JSON: {"status", "changed", "needs_restart"}.',
      run: async (_body, _signal, { caller, requestId }) =>
        toJson(await operations.reload({ caller, requestId, transport: 'flight' })),
    },
  ];
}

/** The actions by name. Throws when two have the same name, which is a mistake of whoever composes the server. */
export function indexActions(actions: readonly FlightAction[]): ReadonlyMap<string, FlightAction> {
  const byName = new Map<string, FlightAction>();
  for (const action of actions) {
    if (byName.has(action.name))
      throw new ArrowportError('INTERNAL', `The action ${action.name} exists twice.`);
    byName.set(action.name, action);
  }
  return byName;
}

/**
 * Runs an action and yields its results. Throws UnimplementedError for an unknown name, naming the known ones, and
 * FORBIDDEN.
 */
export async function* runAction(
  actions: ReadonlyMap<string, FlightAction>,
  request: { readonly type: string; readonly body: Uint8Array },
  call: FlightCall,
): AsyncGenerator<Uint8Array> {
  const action = actions.get(request.type);
  if (action === undefined) {
    const shown = JSON.stringify(request.type.slice(0, 40));
    throw new UnimplementedError(`There is no action ${shown}; known are ${[...actions.keys()].join(', ')}.`);
  }
  requireScope(call.caller, ...(action.scopes ?? ['admin']));
  const results = action.run(request.body, call.signal, call);
  if (results instanceof Promise) yield await results;
  else yield* results;
}

function toJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
