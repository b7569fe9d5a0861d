import type { FlightConnection } from '../flight/call-context.ts';

/** Things that end with a client's connection. */
export interface ConnectionResources {
  /** Calls `end` when the connection closes; returns what takes that back. At once where it has closed already. */
  tie(connection: FlightConnection | undefined, end: () => void): () => void;
}

const untied = () => undefined;

/** Makes a register of what is tied to connections, with one listener for each of them. */
export function createConnectionResources(): ConnectionResources {
  const ends = new WeakMap<FlightConnection, Set<() => void>>();
  return {
    tie(connection, end) {
      if (connection === undefined) return untied;
      if (connection.closed) {
        end();
        return untied;
      }
      let tied = ends.get(connection);
      if (tied === undefined) {
        const made = new Set<() => void>();
        tied = made;
        ends.set(connection, made);
        connection.once('close', () => {
          for (const one of made) one();
        });
      }
      const register = tied;
      register.add(end);
      return () => register.delete(end);
    },
  };
}
