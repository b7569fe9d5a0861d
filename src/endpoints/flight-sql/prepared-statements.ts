import type { PreparedQuery, QueryParameters } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import { createHandleTable } from './handle-table.ts';

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
  /** The statement with a certain binding. Throws HANDLE_NOT_FOUND. */
  findBinding(handle: string, binding: number, caller: string): BoundStatement;
  /** Binds parameters; returns the handle of the statement with them. Throws HANDLE_NOT_FOUND. */
  bind(handle: Uint8Array, parameters: QueryParameters, caller: string): Uint8Array;
  /** Throws HANDLE_NOT_FOUND. */
  close(handle: Uint8Array, caller: string): Promise<void>;
  closeAll(): Promise<void>;
}

interface Entry {
  statement: PreparedStatement;
  /** The last few bindings by number: a client may read with one while it binds the next. */
  readonly bindings: Map<number, QueryParameters>;
  latest: number;
}

const MAX_STATEMENTS = 10_000;
const IDLE_MS = 60 * 60_000;
const HANDLE_BYTES = 16;
const BINDING_BYTES = 4;
const KEPT_BINDINGS = 4;
const UNBOUND = 0;

/** Makes an empty register of prepared statements. */
export function createPreparedStatements(): PreparedStatements {
  const table = createHandleTable<Entry>({
    what: 'prepared statement',
    maxHandles: MAX_STATEMENTS,
    idleMs: IDLE_MS,
    close: ({ statement }) => statement.query.close(),
  });
  const baseOf = (handle: Uint8Array) => handle.subarray(0, HANDLE_BYTES);

  const findBinding = (base: Uint8Array, binding: number | null, caller: string): BoundStatement => {
    const { statement, bindings, latest } = table.find(base, caller);
    const number = binding ?? latest;
    const parameters = bindings.get(number) ?? null;
    if (parameters === null && number !== UNBOUND)
      throw new ArrowportError(
        'HANDLE_NOT_FOUND',
        'The parameters are gone: others were bound since. Bind them again.',
      );
    return { ...statement, parameters, handle: Buffer.from(base).toString('hex'), binding: number };
  };

  return {
    add: (statement, caller) => table.add({ statement, bindings: new Map(), latest: UNBOUND }, caller),
    move(handle, statement, caller) {
      table.find(Buffer.from(handle, 'hex'), caller).statement = statement;
    },
    find: (handle, caller) => findBinding(baseOf(handle), readBinding(handle), caller),
    findBinding: (handle, binding, caller) => findBinding(Buffer.from(handle, 'hex'), binding, caller),
    bind(handle, parameters, caller) {
      const entry = table.find(baseOf(handle), caller);
      entry.latest += 1;
      entry.bindings.set(entry.latest, parameters);
      entry.bindings.delete(entry.latest - KEPT_BINDINGS);
      const suffix = Buffer.alloc(BINDING_BYTES);
      suffix.writeUInt32BE(entry.latest);
      return Buffer.concat([baseOf(handle), suffix]);
    },
    close: (handle, caller) => table.take(baseOf(handle), caller).statement.query.close(),
    closeAll: () => table.close(),
  };
}

function readBinding(handle: Uint8Array): number | null {
  if (handle.byteLength !== HANDLE_BYTES + BINDING_BYTES) return null;
  return Buffer.from(handle.buffer, handle.byteOffset + HANDLE_BYTES, BINDING_BYTES).readUInt32BE();
}
