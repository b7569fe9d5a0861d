import protobuf from 'protobufjs/light.js';

/** `google.protobuf.Any`: every command, ticket and action body of Flight SQL comes in one. */
export interface AnyMessage {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** A SQL statement, in a transaction or not; absent fields were not sent. */
export interface StatementMessage {
  readonly query?: string;
  readonly transactionId?: Uint8Array;
}

/** A Substrait plan, in a transaction or not. */
export interface SubstraitPlanMessage {
  readonly plan?: { readonly plan?: Uint8Array; readonly version?: string };
  readonly transactionId?: Uint8Array;
}

/** A command or request about a prepared statement. */
export interface PreparedHandleMessage {
  readonly preparedStatementHandle?: Uint8Array;
}

/** `CommandGetSqlInfo`. */
export interface GetSqlInfoMessage {
  readonly info: readonly number[];
}

/** `CommandGetXdbcTypeInfo`. */
export interface GetXdbcTypeInfoMessage {
  readonly dataType?: number;
}

/** `CommandGetDbSchemas`; the pattern is one of SQL's LIKE. */
export interface GetDbSchemasMessage {
  readonly catalog?: string;
  readonly dbSchemaFilterPattern?: string;
}

/** `CommandGetTables`; patterns are those of SQL's LIKE. */
export interface GetTablesMessage extends GetDbSchemasMessage {
  readonly tableNameFilterPattern?: string;
  readonly tableTypes: readonly string[];
  readonly includeSchema?: boolean;
}

/** `CommandGetPrimaryKeys`, `CommandGetExportedKeys`, `CommandGetImportedKeys`. */
export interface TableReferenceMessage {
  readonly catalog?: string;
  readonly dbSchema?: string;
  readonly table?: string;
}

/** `CommandGetCrossReference`. */
export interface CrossReferenceMessage {
  readonly pkCatalog?: string;
  readonly pkDbSchema?: string;
  readonly pkTable?: string;
  readonly fkCatalog?: string;
  readonly fkDbSchema?: string;
  readonly fkTable?: string;
}

/** `CommandStatementIngest`; `ifNotExist` is an {@link ifNotExist}, `ifExists` an {@link ifExists}. */
export interface StatementIngestMessage {
  readonly tableDefinitionOptions?: { readonly ifNotExist?: number; readonly ifExists?: number };
  readonly table?: string;
  readonly schema?: string;
  readonly catalog?: string;
  readonly temporary?: boolean;
  readonly transactionId?: Uint8Array;
  readonly options: Readonly<Record<string, string>>;
}

/** The values of `TableNotExistOption`. */
export const ifNotExist = { UNSPECIFIED: 0, CREATE: 1, FAIL: 2 } as const;

/** The values of `TableExistsOption`. */
export const ifExists = { UNSPECIFIED: 0, FAIL: 1, APPEND: 2, REPLACE: 3 } as const;

/** `ActionCreatePreparedStatementResult`; the schemas are encapsulated IPC messages, empty where there is none. */
export interface PreparedStatementMessage {
  readonly preparedStatementHandle: Uint8Array;
  readonly datasetSchema?: Uint8Array;
  readonly parameterSchema?: Uint8Array;
  readonly isUpdate?: boolean;
}

/** `ActionBeginSavepointRequest`. */
export interface BeginSavepointMessage {
  readonly transactionId?: Uint8Array;
  readonly name?: string;
}

/** `ActionEndTransactionRequest`; `action` is an {@link endAction}. */
export interface EndTransactionMessage {
  readonly transactionId?: Uint8Array;
  readonly action?: number;
}

/** `ActionEndSavepointRequest`; `action` is an {@link endAction}. */
export interface EndSavepointMessage {
  readonly savepointId?: Uint8Array;
  readonly action?: number;
}

/** The values of `EndTransaction` and `EndSavepoint`, whose COMMIT and RELEASE have the same number. */
export const endAction = { COMMIT_OR_RELEASE: 1, ROLLBACK: 2 } as const;

/** The values of `ActionCancelQueryResult.CancelResult` are those of `CancelStatus`. */
export interface CancelQueryResultMessage {
  readonly result: number;
}

/** Writes and reads one message of Flight SQL. */
export interface SqlCodec<T> {
  encode(message: T): Uint8Array;
  /** Lists and maps are always there; of other fields those that were sent. Throws when the bytes are not the message. */
  decode(bytes: Uint8Array): T;
}

const bytes = (id: number) => ({ type: 'bytes', id });
const text = (id: number) => ({ type: 'string', id });
const flag = (id: number) => ({ type: 'bool', id });
/** Enums are int32 on the wire. */
const int = (id: number) => ({ type: 'int32', id });
const options: protobuf.IMapField = { keyType: 'string', type: 'string', id: 1000 };
const optionsField: protobuf.IField = options;

const statement = { fields: { query: text(1), transactionId: bytes(2) } };
const preparedHandle = { fields: { preparedStatementHandle: bytes(1) } };
const plan = { fields: { plan: { type: 'SubstraitPlan', id: 1 }, transactionId: bytes(2) } };
const tableReference = { fields: { catalog: text(1), dbSchema: text(2), table: text(3) } };

/**
 * The messages of FlightSql.proto by their public field numbers, as protobufjs reflection.
 * @see https://github.com/apache/arrow/blob/main/format/FlightSql.proto
 */
const root = protobuf.Root.fromJSON({
  nested: {
    Any: { fields: { typeUrl: text(1), value: bytes(2) } },
    Statement: statement,
    PreparedHandle: preparedHandle,
    SubstraitPlan: { fields: { plan: bytes(1), version: text(2) } },
    SubstraitStatement: plan,
    StatementTicket: { fields: { statementHandle: bytes(1) } },
    GetSqlInfo: { fields: { info: { rule: 'repeated', type: 'uint32', id: 1 } } },
    GetXdbcTypeInfo: { fields: { dataType: int(1) } },
    GetDbSchemas: { fields: { catalog: text(1), dbSchemaFilterPattern: text(2) } },
    GetTables: {
      fields: {
        catalog: text(1),
        dbSchemaFilterPattern: text(2),
        tableNameFilterPattern: text(3),
        tableTypes: { rule: 'repeated', ...text(4) },
        includeSchema: flag(5),
      },
    },
    TableReference: tableReference,
    CrossReference: {
      fields: {
        pkCatalog: text(1),
        pkDbSchema: text(2),
        pkTable: text(3),
        fkCatalog: text(4),
        fkDbSchema: text(5),
        fkTable: text(6),
      },
    },
    TableDefinitionOptions: { fields: { ifNotExist: int(1), ifExists: int(2) } },
    StatementIngest: {
      fields: {
        tableDefinitionOptions: { type: 'TableDefinitionOptions', id: 1 },
        table: text(2),
        schema: text(3),
        catalog: text(4),
        temporary: flag(5),
        transactionId: bytes(6),
        options: optionsField,
      },
    },
    UpdateResult: { fields: { recordCount: { type: 'int64', id: 1 } } },
    PreparedStatement: {
      fields: {
        preparedStatementHandle: bytes(1),
        datasetSchema: bytes(2),
        parameterSchema: bytes(3),
        isUpdate: flag(4),
      },
    },
    Transaction: { fields: { transactionId: bytes(1) } },
    BeginSavepoint: { fields: { transactionId: bytes(1), name: text(2) } },
    Savepoint: { fields: { savepointId: bytes(1) } },
    EndTransaction: { fields: { transactionId: bytes(1), action: int(2) } },
    EndSavepoint: { fields: { savepointId: bytes(1), action: int(2) } },
    CancelQuery: { fields: { info: bytes(1) } },
    CancelQueryResult: { fields: { result: int(1) } },
  },
});

function createCodec<T>(name: string): SqlCodec<T> {
  const type = root.lookupType(name);
  return {
    encode: (message) => type.encode(type.fromObject(message as object)).finish(),
    decode: (encoded) =>
      type.toObject(type.decode(encoded), { arrays: true, objects: true, longs: String }) as T,
  };
}

/** The codec of every message, by what it is about. */
export const sqlCodecs = {
  any: createCodec<Partial<AnyMessage>>('Any'),
  statement: createCodec<StatementMessage>('Statement'),
  preparedHandle: createCodec<PreparedHandleMessage>('PreparedHandle'),
  substraitStatement: createCodec<SubstraitPlanMessage>('SubstraitStatement'),
  statementTicket: createCodec<{ readonly statementHandle?: Uint8Array }>('StatementTicket'),
  getSqlInfo: createCodec<GetSqlInfoMessage>('GetSqlInfo'),
  getXdbcTypeInfo: createCodec<GetXdbcTypeInfoMessage>('GetXdbcTypeInfo'),
  getDbSchemas: createCodec<GetDbSchemasMessage>('GetDbSchemas'),
  getTables: createCodec<GetTablesMessage>('GetTables'),
  tableReference: createCodec<TableReferenceMessage>('TableReference'),
  crossReference: createCodec<CrossReferenceMessage>('CrossReference'),
  statementIngest: createCodec<StatementIngestMessage>('StatementIngest'),
  /** `recordCount` is -1 where it is not known. */
  updateResult: createCodec<{ readonly recordCount: number }>('UpdateResult'),
  preparedStatement: createCodec<PreparedStatementMessage>('PreparedStatement'),
  transaction: createCodec<{ readonly transactionId?: Uint8Array }>('Transaction'),
  beginSavepoint: createCodec<BeginSavepointMessage>('BeginSavepoint'),
  savepoint: createCodec<{ readonly savepointId?: Uint8Array }>('Savepoint'),
  endTransaction: createCodec<EndTransactionMessage>('EndTransaction'),
  endSavepoint: createCodec<EndSavepointMessage>('EndSavepoint'),
  /** `info` is an encoded FlightInfo. */
  cancelQuery: createCodec<{ readonly info?: Uint8Array }>('CancelQuery'),
  cancelQueryResult: createCodec<CancelQueryResultMessage>('CancelQueryResult'),
} as const;
