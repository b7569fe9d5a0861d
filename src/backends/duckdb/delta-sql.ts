import type { DeltaSnapshot } from '../../core/delta-source.ts';
import { quoteIdentifier, quoteText } from './identifier.ts';

/** A snapshot with its files at full paths. */
type LocatedSnapshot = DeltaSnapshot & { readonly files: NonNullable<DeltaSnapshot['files']> };

/** A subquery of the rows in one Parquet file. */
export function parquetRelation(path: string): string {
  return `(SELECT * FROM read_parquet([${quoteText(path)}]))`;
}

/**
 * A subquery of a version's rows from its own files. A partition is one branch, in which its columns are constants: what
 * a filter on them cannot match is not read. `columnsPath` is a file without rows that has all columns: older files may
 * lack some.
 */
export function filesRelation({ columns, partitions, files }: LocatedSnapshot, columnsPath: string): string {
  const groups = new Map<string, string[]>();
  const values = new Map<string, readonly (string | null)[]>();
  for (const { path, partition } of files) {
    const key = JSON.stringify(partition);
    values.set(key, partition);
    groups.set(key, [...(groups.get(key) ?? []), path]);
  }
  const branches = [...groups].map(([key, paths]) => {
    const own = values.get(key) ?? [];
    const selected = columns.map((name) => {
      const index = partitions.findIndex((partition) => partition.name === name);
      const column = quoteIdentifier(name);
      return index < 0 ? column : `${literal(own[index], partitions[index]?.type)} AS ${column}`;
    });
    return `SELECT ${selected.join(', ')} FROM ${readFiles([columnsPath, ...paths])}`;
  });
  if (branches.length === 0) return parquetRelation(columnsPath);
  return `(${branches.join(' UNION ALL ')})`;
}

function readFiles(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quoteText).join(', ')}], union_by_name => true, hive_partitioning => false)`;
}

/** A partition value, as text or NULL, as a constant of its SQL type. */
export function literal(value: string | null | undefined, type = 'VARCHAR'): string {
  return `CAST(${value === null || value === undefined ? 'NULL' : quoteText(value)} AS ${type})`;
}
