import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBPreparedStatement, DuckDBTypeId } from '@duckdb/node-api';
import { ulid } from 'ulid';
import type { QueryContext, QueryFile, QueryParameters } from '../../../core/query.ts';
import { ArrowportError } from '../../../errors.ts';
import { quoteText } from '../identifier.ts';
import { readBindings } from './bind-parameters.ts';
import type { EngineParts } from './engine-parts.ts';
import type { OpenStatement } from './statement-run.ts';
import { withoutEnd } from './statement-text.ts';

/** Writes the rows of an open statement into a file of the spool folder. Ends the statement in any case. */
export async function exportParquet(
  open: OpenStatement,
  parameters: QueryParameters,
  context: QueryContext,
  parts: EngineParts,
): Promise<QueryFile> {
  const path = join(open.lease.database.database.spoolFolder, `${ulid()}.parquet`);
  try {
    if (open.admitted.kind !== 'query' || open.admitted.explains) {
      throw new ArrowportError('QUERY_FORBIDDEN', 'Only the rows of a SELECT become a Parquet file.');
    }
    const settings = parts.settings();
    const limit = Math.min(
      context.maxRows ?? Number.MAX_SAFE_INTEGER,
      (settings.max_result_rows ?? Number.MAX_SAFE_INTEGER - 1) + 1,
    );
    const source = `SELECT * FROM (${withoutEnd(open.admitted.sql.text)}\n)`;
    const written = await run(
      open,
      parameters,
      `COPY (${source} LIMIT ${limit}) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd${exactly(open.prepared)})`,
    );
    refuseTooLarge(written > (settings.max_result_rows ?? Number.POSITIVE_INFINITY), 'query.max_result_rows');
    const isTruncated =
      context.maxRows !== undefined &&
      written === context.maxRows &&
      (await run(open, parameters, `SELECT count(*) FROM (${source} OFFSET ${written} LIMIT 1)`)) > 0;
    const { size } = await stat(path);
    refuseTooLarge(size > (settings.max_result_bytes ?? Number.POSITIVE_INFINITY), 'query.max_result_bytes');
    return { byteLength: size, isTruncated, bytes: readOnce(path) };
  } catch (thrown) {
    await rm(path, { force: true });
    throw open.translate(thrown);
  } finally {
    await open.end(false);
  }
}

/**
 * A dictionary of DuckDB's has one zero for those of both signs: where floats are, or may be since types hang on parameters,
 * files have none.
 */
function exactly(prepared: DuckDBPreparedStatement): string {
  for (let index = 0; index < prepared.columnCount; index += 1) {
    const isKnown = prepared.columnTypeId(index) !== DuckDBTypeId.INVALID;
    if (!isKnown || /\b(?:DOUBLE|FLOAT)\b/.test(String(prepared.columnType(index))))
      return ', DICTIONARY_SIZE_LIMIT 0';
  }
  return '';
}

/** Runs a statement that answers one number. */
async function run(
  { lease, runLong }: OpenStatement,
  parameters: QueryParameters,
  sql: string,
): Promise<number> {
  const binding = readBindings(parameters).next().value;
  const reader = await runLong(async () => {
    const prepared = await lease.connection.prepare(sql);
    try {
      binding?.(prepared);
      return await prepared.runAndReadAll();
    } finally {
      prepared.destroySync();
    }
  });
  const [[count] = []] = reader.getRows();
  return Number(count);
}

async function* readOnce(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) yield chunk as Buffer;
  } finally {
    await rm(path, { force: true });
  }
}

function refuseTooLarge(isOver: boolean, limit: string): void {
  if (!isOver) return;
  throw new ArrowportError('RESULT_TOO_LARGE', `The result is over ${limit} of the server.`, {
    details: { limit },
  });
}
