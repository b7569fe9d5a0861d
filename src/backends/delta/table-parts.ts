import type { DeltaCallContext, DeltaRowStream } from '../../core/delta.ts';
import type { TableRoot } from './locations.ts';
import { readList, WireValueError } from './wire-values.ts';
import type { WorkerClient } from './worker-client.ts';

/** A version of a table, cut into parts of about so many rows. */
export interface PartsRequest {
  readonly version: number;
  readonly part_rows: number;
}

/**
 * Versions of tables in parts that are the same rows every time. A part is whole files; a table whose rows its files do
 * not tell alone (column mapping, deletion vectors) is one part. Methods throw ArrowportError.
 */
export interface TableParts {
  /** The rows of each part. Throws TABLE_NOT_FOUND, VERSION_NOT_FOUND. */
  list(table: string, request: PartsRequest, context: DeltaCallContext): Promise<readonly number[]>;
  /** A part as an Arrow stream. Throws as `list` does, and OPTION_INVALID for files that cannot be read one by one. */
  read(
    table: string,
    request: PartsRequest,
    part: number,
    context: DeltaCallContext,
  ): Promise<DeltaRowStream>;
}

/** Makes the parts of tables over a worker. */
export function createTableParts(client: WorkerClient, root: TableRoot): TableParts {
  return {
    async list(table, request, context) {
      const result = await client.call('parts', root.table(table), { ...request }, context, false);
      return readList(result, 'rows').map((rows) => {
        if (typeof rows === 'number') return rows;
        throw new WireValueError('rows', 'list of numbers');
      });
    },
    read: (table, request, part, context) =>
      client.openRows('read-part', root.table(table), { ...request, part }, context),
  };
}
