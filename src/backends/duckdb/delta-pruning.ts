import type { DeltaDataFile, DeltaSnapshot } from '../../core/delta-source.ts';
import type { Database } from './database.ts';
import { literal } from './delta-sql.ts';
import { foldCase, quoteIdentifier } from './identifier.ts';
import { isNode } from './query/statement-tree.ts';
import { type Condition, columnsOf, mapNode, withPlainColumns } from './query/table-conditions.ts';

type WholeSnapshot = Pick<DeltaSnapshot, 'partitions'> & { readonly files: readonly DeltaDataFile[] };

/**
 * The files whose partitions may meet the conditions: those on partition columns are asked of DuckDB itself, with each
 * partition's values as a row. All files where there is no such condition, or DuckDB cannot answer it.
 */
export async function prunePartitions(
  database: Database,
  { partitions, files }: WholeSnapshot,
  conditions: readonly Condition[],
): Promise<readonly DeltaDataFile[]> {
  const names = new Set(partitions.map(({ name }) => foldCase(name)));
  const own = conditions.filter((condition) => {
    const columns = columnsOf(condition);
    return columns?.every((column) => names.has(foldCase(column))) === true && columns.length > 0;
  });
  if (own.length === 0 || files.length === 0) return files;
  const connection = await database.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    const where = await connection.runAndReadAll('SELECT json_deserialize_sql($1::JSON)', [
      JSON.stringify(await selectWith(own, async (sql) => parse(await read(sql)))),
    ]);
    const condition = /^SELECT 1 FROM t WHERE ([\s\S]*)$/.exec(String(where.getRows()[0]?.[0]))?.[1];
    if (condition === undefined) return files;
    const distinct = new Map(files.map(({ partition }) => [JSON.stringify(partition), partition]));
    const keys = [...distinct.keys()];
    const rows = [...distinct.values()].map((values, row) =>
      [String(row), ...values.map((value, index) => literal(value, partitions[index]?.type))].join(', '),
    );
    const columns = ['#', ...partitions.map(({ name }) => name)].map(quoteIdentifier).join(', ');
    const found = await connection.runAndReadAll(
      `SELECT "#" FROM (VALUES ${rows.map((row) => `(${row})`).join(', ')}) AS t(${columns}) WHERE ${condition}`,
    );
    const kept = new Set(found.getRows().map(([row]) => keys[Number(row)]));
    return files.filter(({ partition }) => kept.has(JSON.stringify(partition)));
  } catch {
    return files;
  } finally {
    connection.closeSync();
  }

  async function read(sql: string): Promise<string> {
    const result = await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR)::VARCHAR', [sql]);
    return String(result.getRows()[0]?.[0]);
  }
}

function parse(json: string): unknown {
  return JSON.parse(json);
}

/** The tree of a SELECT whose WHERE clause is these conditions. */
async function selectWith(
  conditions: readonly Condition[],
  serialize: (sql: string) => Promise<unknown>,
): Promise<unknown> {
  const parts = conditions.map((_, index) => `c${index}`).join(' AND ');
  const tree = await serialize(`SELECT 1 FROM t WHERE ${parts}`);
  const place = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(place);
    if (!isNode(value)) return value;
    if (value['class'] === 'COLUMN_REF' && Array.isArray(value['column_names'])) {
      const condition = conditions[Number(String(value['column_names'][0]).slice(1))];
      return condition === undefined ? value : withPlainColumns(condition);
    }
    return mapNode(value, place);
  };
  return place(tree);
}
