import type { DuckDBConnection } from '@duckdb/node-api';
import type { ArrayData } from '../../../core/array-data.ts';
import type { ArrowField } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { createArrowView, releaseNothing, trackRelease } from './array-stream.ts';
import { writeCArray } from './c-array-writer.ts';

const rows = 3;
const total = 42n;

/**
 * Sends three numbers through the native interface and asks DuckDB for their sum, so that a package of another layout
 * is found at start and not by a client's rows. Throws BACKEND_UNAVAILABLE saying what to do.
 */
export async function checkNativeInterface(database: {
  connect(): Promise<DuckDBConnection>;
}): Promise<void> {
  const connection = await database.connect();
  try {
    const found = await sumThroughView(connection);
    if (found !== total) throw new Error(`DuckDB read ${found} where ${total} was handed over.`);
  } catch (cause) {
    throw new ArrowportError(
      'BACKEND_UNAVAILABLE',
      'The native interface to DuckDB does not work with the packages installed; install @duckdb/node-api and koffi in the versions of the lock file (npm ci).',
      { cause },
    );
  } finally {
    connection.closeSync();
  }
}

async function sumThroughView(connection: DuckDBConnection): Promise<bigint> {
  const field: ArrowField = {
    name: 'n',
    type: { kind: 'int', bitWidth: 64, signed: true },
    nullable: true,
    children: [],
    dictionary: null,
    metadata: new Map(),
  };
  const values = new Uint8Array(BigInt64Array.of(total - 3n, 1n, 2n).buffer);
  const column: ArrayData = {
    field,
    length: rows,
    nullCount: 0,
    buffers: [null, values],
    children: [],
    dictionary: null,
  };
  const view = createArrowView(connection, 'arrow_self_check', [field]);
  const array = writeCArray([column], { start: 0, rows }, new Map(), releaseNothing);
  let released = 0;
  trackRelease(array, () => {
    released += 1;
  });
  const arrays = [array];
  view.offer({ next: () => arrays.pop() ?? null });
  const result = await connection.runAndReadAll('SELECT sum(n)::BIGINT FROM arrow_self_check');
  const [[found] = []] = result.getRows();
  await connection.run('DROP VIEW arrow_self_check');
  view.close();
  // The arrays must outlive the statement that reads them.
  return array.rows === rows && released === 1 && typeof found === 'bigint' ? found : -1n;
}
