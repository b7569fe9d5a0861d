import type { DeltaField } from './delta-schema.ts';
import { parseDeltaSchema, type TableState } from './table-state.ts';
import { readFlag, readText, readTextMap, readTexts, type WireObject } from './wire-values.ts';

/** What data files need to be like to be added to a table without delta-rs looking at their rows. */
export interface FilePlan {
  /** The files' columns, in the table's order. */
  readonly columns: readonly DeltaField[];
  /** All columns of the table. */
  readonly schema: readonly DeltaField[];
  readonly configuration: Readonly<Record<string, string>>;
}

/**
 * How files for a planned load look; null where delta-rs has to write them: into partitions, and where the plan says
 * that it must see the rows.
 */
export function findFilePlan(plan: WireObject, state: TableState | null): FilePlan | null {
  const configuration = readTextMap(plan, 'configuration');
  if (!readFlag(plan, 'adopt') || readTexts(plan, 'partition_by').length > 0) return null;
  const columns = parseDeltaSchema(readText(plan, 'schema')).fields;
  const replaces = plan['schema_mode'] === 'overwrite';
  const schema = state === null || replaces ? columns : state.schema.fields;
  const place = (column: DeltaField) => schema.findIndex(({ name }) => name === column.name);
  return { columns: columns.toSorted((left, right) => place(left) - place(right)), schema, configuration };
}
