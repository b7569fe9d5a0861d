import { type DeltaField, type DeltaStruct, holdsLocalTime } from './delta-schema.ts';
import {
  readNumber,
  readText,
  readTextMap,
  readTexts,
  type WireObject,
  WireValueError,
} from './wire-values.ts';

/** A table as a load finds it. */
export interface TableState {
  readonly version: number;
  readonly schema: DeltaStruct;
  /** The schema's JSON, as the log has it. */
  readonly schemaJson: string;
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  readonly writerFeatures: readonly string[];
}

/** Reads the worker's description of a table. Throws WireValueError. */
export function readTableState(from: WireObject): TableState {
  const schemaJson = readText(from, 'schema');
  return {
    version: readNumber(from, 'version'),
    schema: parseDeltaSchema(schemaJson),
    schemaJson,
    partitionColumns: readTexts(from, 'partition_columns'),
    configuration: readTextMap(from, 'configuration'),
    writerFeatures: readTexts(from, 'writer_features'),
  };
}

/** Parses a table's schema. Throws WireValueError. */
export function parseDeltaSchema(json: string): DeltaStruct {
  const value: unknown = JSON.parse(json);
  if (isStruct(value)) return value;
  throw new WireValueError('schema', 'Delta schema');
}

const PLAIN_FEATURES = new Set([
  'appendOnly',
  'invariants',
  'checkConstraints',
  'changeDataFeed',
  'generatedColumns',
  'columnMapping',
  'timestampNtz',
  'deletionVectors',
  'v2Checkpoint',
]);

/**
 * Whether files that are ready may be added to the table without delta-rs looking at their rows: no constraints,
 * no generated or required columns, no column mapping, no feature that says more about files.
 */
export function takesReadyFiles(state: TableState): boolean {
  const { configuration, schema, writerFeatures } = state;
  const properties = Object.keys(configuration);
  return (
    writerFeatures.every((feature) => PLAIN_FEATURES.has(feature)) &&
    !properties.some((name) => name.startsWith('delta.constraints.')) &&
    !mapsColumns(configuration) &&
    schema.fields.every((field) => field.nullable && !hasRules(field.metadata))
  );
}

/**
 * Whether columns need a feature that the table does not have yet. delta-rs adds it where it writes the rows itself, not
 * to the commit of files that are ready: nobody could open the table behind that.
 */
export function needsNewFeature(columns: readonly DeltaField[], state: TableState): boolean {
  return (
    !state.writerFeatures.includes('timestampNtz') && columns.some(({ type }) => holdsLocalTime(type, true))
  );
}

/** Whether the files of a table have its columns under other names, which only delta-rs gives them. */
export function mapsColumns(configuration: Readonly<Record<string, string>>): boolean {
  return (configuration['delta.columnMapping.mode'] ?? 'none') !== 'none';
}

function hasRules(metadata: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(metadata).some((key) => /^delta\.(invariants|generationExpression|identity)/.test(key));
}

function isStruct(value: unknown): value is DeltaStruct {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'struct' &&
    'fields' in value &&
    Array.isArray(value.fields)
  );
}
