import type { Backend, Load, LoadRequest, TableOptions } from '../core/backend.ts';
import { describeTable } from '../core/route.ts';
import { ArrowportError } from '../errors.ts';

/**
 * Begins loads as the backend does, once the table is found there, or missing, as the options want it. A load that
 * repeats an earlier one by its key does not mind what has become of the table since. What begins throws TABLE_EXISTS
 * and TABLE_NOT_FOUND.
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
    const { table } = request.route;
    const isThere = (await backend.findTable(table)) !== undefined;
    const name = JSON.stringify(describeTable(table));
    if (isThere && ifExists === 'fail')
      return await beginReplay(
        backend,
        request,
        new ArrowportError('TABLE_EXISTS', `The table ${name} exists.`),
      );
    if (!isThere && ifAbsent === 'fail')
      return await beginReplay(
        backend,
        request,
        new ArrowportError('TABLE_NOT_FOUND', `There is no table ${name}.`),
      );
    return await backend.begin(request);
  };
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
