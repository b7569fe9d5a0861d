import type { RouteTable } from './route-table.ts';

/** Holds the route table in force. */
export interface Router {
  /** The table in force; a load keeps the route it resolved from it. */
  current(): RouteTable;
  /** Puts another table in force, at once and whole. */
  swap(next: RouteTable): void;
}

/** Makes a router that starts with the given table. */
export function createRouter(initial: RouteTable): Router {
  let table = initial;
  return {
    current: () => table,
    swap(next) {
      table = next;
    },
  };
}
