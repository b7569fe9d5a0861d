import type { CatalogTable, QueryContext, QueryRunner, TableKey } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import type { FlightStream } from '../flight/producer.ts';
import { encapsulateSchema } from '../flight/reading-handlers.ts';
import { buildBatch, type CellValue } from './build-arrays.ts';
import { catalogSchemas, tablesWithSchema } from './catalog-schemas.ts';
import { describeColumns } from './column-metadata.ts';
import { matchesLike } from './like-pattern.ts';
import { listSqlInfo, type ServerFacts } from './sql-info.ts';
import type { CrossReferenceMessage, GetTablesMessage, TableReferenceMessage } from './sql-messages.ts';
import type { ReadingCommand } from './sql-service.ts';
import { listTypes } from './type-info.ts';

/** Commands about the catalog, the types and the server. */
export type CatalogCommand = Exclude<
  ReadingCommand,
  { name: 'CommandStatementQuery' | 'CommandStatementSubstraitPlan' | 'CommandPreparedStatementQuery' }
>;

/** Whom a command about the catalog asks. */
export interface CatalogSource {
  readonly runner: QueryRunner;
  readonly context: QueryContext;
  readonly facts: ServerFacts;
}

const tableTypes = { table: 'TABLE', view: 'VIEW', temporary: 'LOCAL TEMPORARY' } as const;
const NO_ACTION = 3;

/** The schema of what a command answers. */
export function catalogSchema(command: CatalogCommand): ArrowSchema {
  const withSchemas = command.name === 'CommandGetTables' && command.message.includeSchema === true;
  return withSchemas ? tablesWithSchema : catalogSchemas[command.name];
}

/** Answers a command about the catalog: what the caller may name, as it is now. */
export async function readCatalog(command: CatalogCommand, source: CatalogSource): Promise<FlightStream> {
  const schema = catalogSchema(command);
  const rows = await listRows(command, source);
  const batch = buildBatch(schema, rows.toSorted(byColumns(orders[command.name])));
  return { schema, batches: only(batch) };
}

/** The columns that the specification orders the rows of each command by. */
const orders: Readonly<Record<CatalogCommand['name'], readonly number[]>> = {
  CommandGetCatalogs: [0],
  CommandGetDbSchemas: [0, 1],
  CommandGetTables: [0, 1, 2, 3],
  CommandGetTableTypes: [0],
  CommandGetPrimaryKeys: [0, 1, 2, 5, 4],
  CommandGetExportedKeys: [4, 5, 6, 9, 8],
  CommandGetImportedKeys: [0, 1, 2, 10, 8],
  CommandGetCrossReference: [0, 1, 2, 10, 8],
  CommandGetXdbcTypeInfo: [1, 0],
  CommandGetSqlInfo: [],
};

function byColumns(columns: readonly number[]): (a: readonly CellValue[], b: readonly CellValue[]) => number {
  return (a, b) => {
    for (const column of columns) {
      const [left, right] = [a[column] ?? '', b[column] ?? ''];
      if (left !== right) return left < right ? -1 : 1;
    }
    return 0;
  };
}

async function* only<T>(value: T): AsyncGenerator<T> {
  yield value;
}

type Rows = readonly (readonly CellValue[])[];

async function listRows(command: CatalogCommand, source: CatalogSource): Promise<Rows> {
  const { runner, context, facts } = source;
  switch (command.name) {
    case 'CommandGetCatalogs': {
      const schemas = await runner.listSchemas(context);
      return [...new Set(schemas.map(({ catalog }) => catalog))].map((catalog) => [catalog]);
    }
    case 'CommandGetDbSchemas': {
      const { catalog, dbSchemaFilterPattern } = command.message;
      return (await runner.listSchemas(context))
        .filter((found) => catalog === undefined || found.catalog === catalog)
        .filter((found) => matchesLike(found.schema, dbSchemaFilterPattern))
        .map((found) => [found.catalog, found.schema]);
    }
    case 'CommandGetTables':
      return await listTables(command.message, source);
    case 'CommandGetTableTypes':
      return Object.values(tableTypes).map((type) => [type]);
    case 'CommandGetPrimaryKeys':
      return (await runner.listKeys(context))
        .filter(({ references, table }) => references === null && isNamed(command.message, table))
        .flatMap(toPrimaryRows);
    case 'CommandGetExportedKeys':
    case 'CommandGetImportedKeys':
    case 'CommandGetCrossReference':
      return (await runner.listKeys(context)).filter((key) => concerns(command, key)).flatMap(toForeignRows);
    case 'CommandGetXdbcTypeInfo':
      return listTypes(command.message.dataType);
    case 'CommandGetSqlInfo':
      return listSqlInfo(command.message.info, facts);
    default:
      throw new ArrowportError('INTERNAL', 'The command is not one about the catalog.');
  }
}

async function listTables(message: GetTablesMessage, { runner, context }: CatalogSource): Promise<Rows> {
  const {
    catalog,
    dbSchemaFilterPattern,
    tableNameFilterPattern,
    tableTypes: wanted,
    includeSchema,
  } = message;
  const tables = (await runner.listTables(context))
    .filter((table) => catalog === undefined || table.catalog === catalog)
    .filter((table) => matchesLike(table.schema, dbSchemaFilterPattern))
    .filter((table) => matchesLike(table.name, tableNameFilterPattern))
    .filter((table) => wanted.length === 0 || wanted.includes(tableTypes[table.kind]));
  const rows: (readonly CellValue[])[] = [];
  for (const table of tables) {
    const row = [table.catalog, table.schema, table.name, tableTypes[table.kind]];
    if (includeSchema !== true) {
      rows.push(row);
      continue;
    }
    const schema = await findSchema(table, runner, context);
    if (schema !== undefined) rows.push([...row, encapsulateSchema(schema)]);
  }
  return rows;
}

/** A table that was dropped since it was listed, or cannot be read, is not one to show. */
async function findSchema(
  table: CatalogTable,
  runner: QueryRunner,
  context: QueryContext,
): Promise<ArrowSchema | undefined> {
  try {
    const schema = await runner.describeTable(table, context);
    return describeColumns(schema, table, await runner.listColumns(table, context));
  } catch (thrown) {
    if (toArrowportError(thrown).code === 'INTERNAL' || context.signal?.aborted) throw thrown;
    return undefined;
  }
}

function isNamed(
  { catalog, dbSchema, table = '' }: TableReferenceMessage,
  found: TableKey['table'],
): boolean {
  return (
    (catalog === undefined || catalog === found.catalog) &&
    (dbSchema === undefined || dbSchema === found.schema) &&
    table === found.name
  );
}

function concerns(command: CatalogCommand, { table, references }: TableKey): boolean {
  if (references === null) return false;
  if (command.name === 'CommandGetExportedKeys') return isNamed(command.message, references.table);
  if (command.name === 'CommandGetImportedKeys') return isNamed(command.message, table);
  if (command.name !== 'CommandGetCrossReference') return false;
  const { pk, fk } = readCrossReference(command.message);
  return isNamed(pk, references.table) && isNamed(fk, table);
}

function readCrossReference(message: CrossReferenceMessage): {
  readonly pk: TableReferenceMessage;
  readonly fk: TableReferenceMessage;
} {
  const pick = (catalog?: string, dbSchema?: string, table?: string): TableReferenceMessage => ({
    ...(catalog === undefined ? {} : { catalog }),
    ...(dbSchema === undefined ? {} : { dbSchema }),
    ...(table === undefined ? {} : { table }),
  });
  return {
    pk: pick(message.pkCatalog, message.pkDbSchema, message.pkTable),
    fk: pick(message.fkCatalog, message.fkDbSchema, message.fkTable),
  };
}

function toPrimaryRows({ table, columns, name }: TableKey): Rows {
  return columns.map((column, index) => [table.catalog, table.schema, table.name, column, index + 1, name]);
}

function toForeignRows({ table, columns, name, references }: TableKey): Rows {
  if (references === null) return [];
  const { table: primary, columns: primaryColumns, name: primaryName } = references;
  return columns.map((column, index) => [
    primary.catalog,
    primary.schema,
    primary.name,
    primaryColumns[index] ?? '',
    table.catalog,
    table.schema,
    table.name,
    column,
    index + 1,
    name,
    primaryName,
    NO_ACTION,
    NO_ACTION,
  ]);
}
