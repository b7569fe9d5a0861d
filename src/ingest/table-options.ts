import type { Backend, Load, LoadRequest, TableOptions } from '../core/backend.ts';
import { describeTable } from '../core/route.ts';
import { ArrowportError } from '../errors.ts';
import { createTableClaims, type TableClaims, withEnd } from './table-claims.ts';

const claimsOf = new WeakMap<Backend, TableClaims>();

/**
 * Begins loads as the backend does, once the table is found there, or missing, as the options want it. A load that wants
 * to make the table waits for others that do, so that one of them makes it. A load that repeats an earlier one by its key
 * does not mind what has become of the table since. What begins throws TABLE_EXISTS, TABLE_NOT_FOUND, COMMIT_CONFLICT.
 */
export function beginAsWanted(
  backend: Backend,
  { ifAbsent = 'create', ifExists = 'append' }: TableOptions,
): (request: LoadRequest) => Promise<Load> {
  if (ifAbsent === 'create' && ifExists !== 'fail') return (request) => backend.begin(request);
  let isFirst = true;
  return async (request) => {
    // The later parts of a split load find the table that the first has made.
    if (!isFirst) return await backend.begin(request);
    isFirst = false;
    if (ifExists !== 'fail') return await beginWhereThere(backend, request);
    const { table } = request.route;
    const letGo = await findClaims(backend).claim(describeTable(table).toLowerCase(), request.signal);
    try {
      const isThere = (await backend.findTable(table)) !== undefined;
      if (!isThere) {
        if (ifAbsent === 'fail') throw missing(request);
        return withEnd(await backend.begin(request), letGo);
      }
      const replay = await beginReplay(backend, request, existing(request));
      letGo();
      return replay;
    } catch (thrown) {
      letGo();
      throw thrown;
    }
  };
}

async function beginWhereThere(backend: Backend, request: LoadRequest): Promise<Load> {
  const isThere = (await backend.findTable(request.route.table)) !== undefined;
  return await (isThere ? backend.begin(request) : beginReplay(backend, request, missing(request)));
}

function findClaims(backend: Backend): TableClaims {
  const claims = claimsOf.get(backend) ?? createTableClaims();
  claimsOf.set(backend, claims);
  return claims;
}

function existing({ route }: LoadRequest): ArrowportError {
  return new ArrowportError(
    'TABLE_EXISTS',
    `The table ${JSON.stringify(describeTable(route.table))} exists.`,
  );
}

function missing({ route }: LoadRequest): ArrowportError {
  return new ArrowportError(
    'TABLE_NOT_FOUND',
    `There is no table ${JSON.stringify(describeTable(route.table))}.`,
  );
}

async function beginReplay(backend: Backend, request: LoadRequest, error: ArrowportError): Promise<Load> {
  if (request.options.idempotencyKey === null) throw error;
  let load: Load;
  try {
    load = await backend.begin(request);
  } catch {
    throw error;
  }
  if (load.replays !== undefined) return load;
  await load.abort();
  throw error;
}
