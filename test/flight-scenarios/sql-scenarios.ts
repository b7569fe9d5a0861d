import assert from 'node:assert/strict';
import { openFlightStream } from '../../src/arrow/flight-reader.ts';
import type { ArrowSchema } from '../../src/core/schema.ts';
import {
  cancelStatus,
  type FlightDescriptor,
  type FlightInfoMessage,
} from '../../src/endpoints/flight/messages.ts';
import type { FlightStream, IncomingStream } from '../../src/endpoints/flight/producer.ts';
import { encapsulateSchema } from '../../src/endpoints/flight/reading-handlers.ts';
import { buildBatch, type CellValue } from '../../src/endpoints/flight-sql/build-arrays.ts';
import {
  catalogSchemas,
  createSchema,
  tablesWithSchema,
} from '../../src/endpoints/flight-sql/catalog-schemas.ts';
import { readSqlCommand, writeSqlCommand } from '../../src/endpoints/flight-sql/sql-command.ts';
import {
  endAction,
  ifExists,
  ifNotExist,
  type SubstraitPlanMessage,
} from '../../src/endpoints/flight-sql/sql-messages.ts';
import { createSqlProducer } from '../../src/endpoints/flight-sql/sql-producer.ts';
import type { FlightSqlService, ReadingCommand } from '../../src/endpoints/flight-sql/sql-service.ts';
import { ArrowportError } from '../../src/errors.ts';
import type { Scenario } from './scenario-server.ts';

const KEY = 'ARROW:FLIGHT:SQL:';
const columnMetadata = new Map(
  Object.entries({
    TABLE_NAME: 'test',
    IS_AUTO_INCREMENT: '1',
    IS_CASE_SENSITIVE: '0',
    TYPE_NAME: 'type_test',
    SCHEMA_NAME: 'schema_test',
    IS_SEARCHABLE: '1',
    CATALOG_NAME: 'catalog_test',
    PRECISION: '100',
    REMARKS: 'test column',
  }).map(([name, value]) => [KEY + name, value]),
);
const createQuerySchema = (name: string, bitWidth: 32 | 64): ArrowSchema =>
  createSchema([
    {
      name,
      type: { kind: 'int', bitWidth, signed: true },
      nullable: true,
      children: [],
      dictionary: null,
      metadata: columnMetadata,
    },
  ]);
const querySchema = createQuerySchema('id', 64);
const transactionSchema = createQuerySchema('pkey', 32);

const TRANSACTION = 'transaction_id';
const SAVEPOINT = 'savepoint_id';
const rowsOf = {
  statement: 10_000,
  statementInTransaction: 15_000,
  prepared: 20_000,
  preparedInTransaction: 25_000,
};

const bytesOf = (text: string) => Buffer.from(text);
const textOf = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

function expect(actual: unknown, expected: unknown): void {
  try {
    assert.deepEqual(actual, expected);
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', `expected ${JSON.stringify(expected)}`, { cause });
  }
}

function createInfo(
  schema: ArrowSchema,
  descriptor: FlightDescriptor,
  ticket: Uint8Array,
): FlightInfoMessage {
  const endpoint = [{ ticket: { ticket }, location: [] }];
  return {
    schema: encapsulateSchema(schema),
    flightDescriptor: descriptor,
    endpoint,
    totalRecords: -1,
    totalBytes: -1,
  };
}

async function* noBatches() {}

function emptyStream(schema: ArrowSchema): FlightStream {
  return { schema, batches: noBatches() };
}

/** What `flight_sql:extension` asks of SqlInfo: string 0, bool 1, int32 3. */
const sqlInfo: readonly (readonly CellValue[])[] = [
  [4, { member: 1, value: false }],
  [5, { member: 1, value: true }],
  [6, { member: 0, value: 'min_version' }],
  [7, { member: 0, value: 'max_version' }],
  [8, { member: 3, value: 2 }],
  [9, { member: 1, value: true }],
  [100, { member: 3, value: 42 }],
  [101, { member: 3, value: 7 }],
];

async function* sqlInfoBatch() {
  yield buildBatch(catalogSchemas.CommandGetSqlInfo, sqlInfo);
}

function checkPlan({ plan }: SubstraitPlanMessage): void {
  expect([textOf(plan?.plan), plan?.version], ['plan', 'version']);
}

function readHandle(handle: string): ArrowSchema {
  if (handle.includes('UPDATE')) throw new ArrowportError('OPTION_INVALID', 'unknown handle');
  return handle.includes('WITH TXN') ? transactionSchema : querySchema;
}

function schemaOf(command: ReadingCommand): ArrowSchema {
  switch (command.name) {
    case 'CommandStatementQuery':
      expect(command.message.query, 'SELECT STATEMENT');
      return command.message.transactionId === undefined ? querySchema : transactionSchema;
    case 'CommandStatementSubstraitPlan':
      checkPlan(command.message);
      return command.message.transactionId === undefined ? querySchema : transactionSchema;
    case 'CommandPreparedStatementQuery':
      return readHandle(textOf(command.message.preparedStatementHandle));
    case 'CommandGetTables':
      return command.message.includeSchema === true ? tablesWithSchema : catalogSchemas.CommandGetTables;
    default:
      return catalogSchemas[command.name];
  }
}

/** Checks what the client filters by; asking for a schema only comes without filters. */
function checkFilters({ name, message }: ReadingCommand): void {
  const table = { catalog: 'catalog', dbSchema: 'db_schema', table: 'table' };
  if (name === 'CommandGetDbSchemas')
    expect({ ...message }, { catalog: 'catalog', dbSchemaFilterPattern: 'db_schema_filter_pattern' });
  if (name === 'CommandGetTables') {
    expect(
      { ...message },
      {
        catalog: 'catalog',
        dbSchemaFilterPattern: 'db_schema_filter_pattern',
        tableNameFilterPattern: 'table_filter_pattern',
        tableTypes: ['table', 'view'],
        includeSchema: true,
      },
    );
  }
  if (
    name === 'CommandGetPrimaryKeys' ||
    name === 'CommandGetExportedKeys' ||
    name === 'CommandGetImportedKeys'
  )
    expect({ ...message }, table);
  if (name === 'CommandGetCrossReference') {
    expect(
      { ...message },
      {
        pkCatalog: 'pk_catalog',
        pkDbSchema: 'pk_db_schema',
        pkTable: 'pk_table',
        fkCatalog: 'fk_catalog',
        fkDbSchema: 'fk_db_schema',
        fkTable: 'fk_table',
      },
    );
  }
}

function createTicket(command: ReadingCommand, cmd: Uint8Array): Uint8Array {
  if (command.name !== 'CommandStatementQuery' && command.name !== 'CommandStatementSubstraitPlan')
    return cmd;
  const kind = command.name === 'CommandStatementQuery' ? 'SELECT STATEMENT' : 'PLAN';
  const handle = command.message.transactionId === undefined ? `${kind} HANDLE` : `${kind} WITH TXN HANDLE`;
  return writeSqlCommand({ name: 'TicketStatementQuery', message: { statementHandle: bytesOf(handle) } });
}

async function drain(incoming: IncomingStream): Promise<{ schema: ArrowSchema; rows: number }> {
  const allocator = {
    allocate: (length: number) => ({ bytes: new Uint8Array(length), release: () => undefined }),
  };
  const resources = { allocator, limits: incoming.limits };
  const { schema, messages } = await openFlightStream(incoming.readFrames(allocator), resources);
  let rows = 0;
  for await (const message of messages) {
    rows += message.header.length;
    message.release();
  }
  return { schema, rows };
}

const service: FlightSqlService = {
  async describe(command, descriptor) {
    checkFilters(command);
    return createInfo(schemaOf(command), descriptor, createTicket(command, descriptor.cmd));
  },
  schemaOf: async (command) => schemaOf(command),
  async read(ticket) {
    if (ticket.name === 'TicketStatementQuery')
      return emptyStream(readHandle(textOf(ticket.message.statementHandle)));
    if (ticket.name !== 'CommandGetSqlInfo' || ticket.message.info.length === 2)
      return emptyStream(schemaOf(ticket));
    return { schema: catalogSchemas.CommandGetSqlInfo, batches: sqlInfoBatch() };
  },
  async update(command) {
    if (command.name === 'CommandPreparedStatementUpdate') {
      const handle = textOf(command.message.preparedStatementHandle);
      return handle.includes('WITH TXN') ? rowsOf.preparedInTransaction : rowsOf.prepared;
    }
    if (command.name === 'CommandStatementSubstraitPlan') checkPlan(command.message);
    else expect(command.message.query, 'UPDATE STATEMENT');
    return command.message.transactionId === undefined ? rowsOf.statement : rowsOf.statementInTransaction;
  },
  async bind({ message }, incoming) {
    const { schema, rows } = await drain(incoming);
    expect([rows, schema.fields.map(({ name }) => name)], [1, ['id']]);
    return message.preparedStatementHandle ?? new Uint8Array(0);
  },
  async prepare({ query = '', transactionId }) {
    const handle = `${query}${transactionId === undefined ? '' : ' WITH TXN'} HANDLE`;
    return { preparedStatementHandle: bytesOf(handle) };
  },
  async prepareSubstrait(message) {
    checkPlan(message);
    const handle = message.transactionId === undefined ? 'PLAN HANDLE' : 'PLAN WITH TXN HANDLE';
    return { preparedStatementHandle: bytesOf(handle) };
  },
  async closePrepared(handle) {
    if (!textOf(handle).endsWith('HANDLE')) throw new ArrowportError('HANDLE_NOT_FOUND', 'unknown handle');
  },
  beginTransaction: async () => bytesOf(TRANSACTION),
  async endTransaction({ transactionId, action }) {
    expect(textOf(transactionId), TRANSACTION);
    expect(
      Object.values(endAction).some((known) => known === action),
      true,
    );
  },
  async beginSavepoint({ transactionId, name }) {
    expect([textOf(transactionId), name], [TRANSACTION, 'savepoint_name']);
    return bytesOf(SAVEPOINT);
  },
  async endSavepoint({ savepointId }) {
    expect(textOf(savepointId), SAVEPOINT);
  },
  async cancelFlightInfo({ endpoint }) {
    const command = readSqlCommand(endpoint[0]?.ticket.ticket ?? new Uint8Array(0));
    assert.equal(command.name, 'TicketStatementQuery');
    expect('statementHandle' in command.message && textOf(command.message.statementHandle), 'PLAN HANDLE');
    return cancelStatus.CANCELLED;
  },
};

/** `flight_sql` and `flight_sql:extension` */
export const sqlScenario = (): Scenario => ({ producer: createSqlProducer(service) });

/** `flight_sql:ingestion` */
export const ingestionScenario = (): Scenario => ({
  producer: createSqlProducer({
    ...service,
    async ingest(message, incoming) {
      expect(
        { ...message, transactionId: textOf(message.transactionId), options: { ...message.options } },
        {
          tableDefinitionOptions: { ifNotExist: ifNotExist.CREATE, ifExists: ifExists.REPLACE },
          table: 'test_table',
          schema: 'test_schema',
          catalog: 'test_catalog',
          temporary: true,
          transactionId: '123',
          options: { key1: 'val1', key2: 'val2' },
        },
      );
      const { schema, rows } = await drain(incoming);
      expect(
        schema.fields.map(({ name }) => name),
        ['test_field'],
      );
      return rows;
    },
  }),
});
