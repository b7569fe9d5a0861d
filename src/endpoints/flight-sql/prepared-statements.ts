import type { PreparedQuery, QueryParameters } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import { createHandleTable } from './handle-table.ts';
import type { ParameterLease } from './parameter-memory.ts';
import type { HeldParameters } from './read-parameters.ts';

/** A prepared statement as a client holds it. */
export interface PreparedStatement {
  readonly query: PreparedQuery;
  /** The id, in hex, of the transaction that it runs in; null outside of any. */
  readonly transaction: string | null;
  /** Whether it runs in a session, of which a transaction is one. */
  readonly inSession: boolean;
}

/** A prepared statement with the parameters of one of its bindings; null before any. */
export interface BoundStatement extends PreparedStatement {
  readonly parameters: QueryParameters | null;
  /** The memory of the parameters; to be used while they are. */
  readonly lease: Pick<ParameterLease, 'use'> | null;
  /** The statement's own handle in hex, and the binding's number: what a ticket needs to find both again. */
  readonly handle: string;
  readonly binding: number;
}

/** The prepared statements of all clients. */
export interface PreparedStatements {
  /** Keeps a statement; returns its handle. Throws OVERLOADED. */
  add(statement: PreparedStatement, caller: string): Uint8Array;
  /** Puts the statement, prepared in another place, where it was. Throws HANDLE_NOT_FOUND. */
  move(handle: string, statement: PreparedStatement, caller: string): void;
  /** The statement with the binding that the handle names, or its latest. Throws HANDLE_NOT_FOUND. */
  find(handle: Uint8Array, caller: string): BoundStatement;
  /** The statement for whoever brings parameters of its own: as `find`, but those bound before may be gone. Throws HANDLE_NOT_FOUND. */
  findToBind(handle: Uint8Array, caller: string): BoundStatement;
  /** The statement with a certain binding. Throws HANDLE_NOT_FOUND. */
  findBinding(handle: string, binding: number, caller: string): BoundStatement;
  /** Binds parameters, which stay until others need their memory; returns the handle of the statement with them. Throws HANDLE_NOT_FOUND. */
  bind(handle: Uint8Array, held: HeldParameters, caller: string): Uint8Array;
  /** Throws HANDLE_NOT_FOUND. */
  close(handle: Uint8Array, caller: string): Promise<void>;
  closeAll(): Promise<void>;
}

interface Entry {
  statement: PreparedStatement;
  /** The last few bindings by number: a client may read with one while it binds the next. */
  readonly bindings: Map<number, HeldParameters>;
  latest: number;
}

const MAX_STATEMENTS = 10_000;
/** How long a prepared statement may go unused before it is closed; SqlInfo tells it. */
export const PREPARED_IDLE_MS = 60 * 60_000;
const HANDLE_BYTES = 16;
const BINDING_BYTES = 4;
const KEPT_BINDINGS = 4;
const UNBOUND = 0;

/** Makes an empty register of prepared statements. */
export function createPreparedStatements(): PreparedStatements {
  const table = createHandleTable<Entry>({
    what: 'prepared statement',
    maxHandles: MAX_STATEMENTS,
    idleMs: PREPARED_IDLE_MS,
    close: closeEntry,
  });
  const baseOf = (handle: Uint8Array) => handle.subarray(0, HANDLE_BYTES);

  const findBinding = (base: Uint8Array, binding: number | null, caller: string): BoundStatement => {
    const { statement, bindings, latest } = table.find(base, caller);
    const number = binding ?? latest;
    const held = bindings.get(number) ?? null;
    if (held === null && number !== UNBOUND)
      throw new ArrowportError(
        'HANDLE_NOT_FOUND',
        'The parameters are gone: others were bound since, or needed their memory. Bind them again.',
      );
    const { parameters = null, lease = null } = held ?? {};
    return { ...statement, parameters, lease, handle: Buffer.from(base).toString('hex'), binding: number };
  };

  return {
    add: (statement, caller) => table.add({ statement, bindings: new Map(), latest: UNBOUND }, caller),
    move(handle, statement, caller) {
      table.find(Buffer.from(handle, 'hex'), caller).statement = statement;
    },
    find: (handle, caller) => findBinding(baseOf(handle), readBinding(handle), caller),
    findToBind(handle, caller) {
      const { statement } = table.find(baseOf(handle), caller);
      const base = Buffer.from(baseOf(handle)).toString('hex');
      return { ...statement, parameters: null, lease: null, handle: base, binding: UNBOUND };
    },
    findBinding: (handle, binding, caller) => findBinding(Buffer.from(handle, 'hex'), binding, caller),
    bind(handle, held, caller) {
      const entry = table.find(baseOf(handle), caller);
      entry.latest += 1;
      const { latest, bindings } = entry;
      bindings.set(latest, held);
      held.lease.keep(() => bindings.delete(latest));
      bindings.get(latest - KEPT_BINDINGS)?.lease.drop();
      bindings.delete(latest - KEPT_BINDINGS);
      const suffix = Buffer.alloc(BINDING_BYTES);
      suffix.writeUInt32BE(entry.latest);
      return Buffer.concat([baseOf(handle), suffix]);
    },
    close: (handle, caller) => closeEntry(table.take(baseOf(handle), caller)),
    closeAll: () => table.close(),
  };
}

async function closeEntry({ statement, bindings }: Entry): Promise<void> {
  for (const { lease } of bindings.values()) lease.drop();
  bindings.clear();
  await statement.query.close();
}

function readBinding(handle: Uint8Array): number | null {
  if (handle.byteLength !== HANDLE_BYTES + BINDING_BYTES) return null;
  return Buffer.from(handle.buffer, handle.byteOffset + HANDLE_BYTES, BINDING_BYTES).readUInt32BE();
}
