import type { DeltaField } from './delta-schema.ts';
import { parseDeltaSchema, type TableState } from './table-state.ts';
import { readFlag, readText, readTextMap, readTexts, type WireObject } from './wire-values.ts';

/** What data files need to be like to be added to a table without delta-rs looking at their rows. */
export interface FilePlan {
  /** The files' columns, in the table's order: all that are loaded but those of the partition. */
  readonly columns: readonly DeltaField[];
  /** All columns that the table's files have. */
  readonly schema: readonly DeltaField[];
  /** The columns that the table is partitioned by, in their order. */
  readonly partition: readonly DeltaField[];
  readonly configuration: Readonly<Record<string, string>>;
}

/** How files for a planned load look; null where delta-rs has to write them, since the plan says that it must see the rows. */
export function findFilePlan(plan: WireObject, state: TableState | null): FilePlan | null {
  const configuration = readTextMap(plan, 'configuration');
  if (!readFlag(plan, 'adopt')) return null;
  const partitionBy = readTexts(plan, 'partition_by');
  const columns = parseDeltaSchema(readText(plan, 'schema')).fields;
  const replaces = plan['schema_mode'] === 'overwrite';
  const schema = state === null || replaces ? columns : state.schema.fields;
  const place = (column: DeltaField) => schema.findIndex(({ name }) => name === column.name);
  const partition = partitionBy
    .map((name) => columns.find((column) => column.name === name))
    .filter((column) => column !== undefined);
  if (partition.length !== partitionBy.length) return null;
  const isInFiles = ({ name }: DeltaField) => !partitionBy.includes(name);
  return {
    columns: columns.filter(isInFiles).toSorted((left, right) => place(left) - place(right)),
    schema: schema.filter(isInFiles),
    partition,
    configuration,
  };
}
