import { ArrowportError } from '../../errors.ts';
import { UnimplementedError } from '../flight/status.ts';
import { type AnyMessage, type SqlCodec, sqlCodecs } from './sql-messages.ts';

const TYPE_PREFIX = 'type.googleapis.com/arrow.flight.protocol.sql.';
/** The tag of `Any.type_url`, which every sender writes first. */
const TYPE_URL_TAG = 0x0a;

const nothing: SqlCodec<object> = { encode: () => new Uint8Array(0), decode: () => ({}) };

/** The codec of what descriptors and tickets of Flight SQL hold, by its name. */
const commandCodecs = {
  CommandStatementQuery: sqlCodecs.statement,
  CommandStatementSubstraitPlan: sqlCodecs.substraitStatement,
  CommandPreparedStatementQuery: sqlCodecs.preparedHandle,
  CommandGetCatalogs: nothing,
  CommandGetDbSchemas: sqlCodecs.getDbSchemas,
  CommandGetTables: sqlCodecs.getTables,
  CommandGetTableTypes: nothing,
  CommandGetPrimaryKeys: sqlCodecs.tableReference,
  CommandGetExportedKeys: sqlCodecs.tableReference,
  CommandGetImportedKeys: sqlCodecs.tableReference,
  CommandGetCrossReference: sqlCodecs.crossReference,
  CommandGetXdbcTypeInfo: sqlCodecs.getXdbcTypeInfo,
  CommandGetSqlInfo: sqlCodecs.getSqlInfo,
  TicketStatementQuery: sqlCodecs.statementTicket,
  CommandStatementUpdate: sqlCodecs.statement,
  CommandPreparedStatementUpdate: sqlCodecs.preparedHandle,
  CommandStatementIngest: sqlCodecs.statementIngest,
} as const;

/** The name of a command or ticket of Flight SQL. */
export type SqlCommandName = keyof typeof commandCodecs;

type MessageOf<C> = C extends SqlCodec<infer T> ? T : never;

/** One kind of command with its message. */
export type SqlCommandOf<N extends SqlCommandName> = {
  readonly [K in N]: { readonly name: K; readonly message: MessageOf<(typeof commandCodecs)[K]> };
}[N];

/** A decoded command. */
export type SqlCommand = SqlCommandOf<SqlCommandName>;

/** Whether the bytes are meant for Flight SQL: a message of its package in an `Any`. */
export function isSqlCommand(bytes: Uint8Array): boolean {
  if (bytes[0] !== TYPE_URL_TAG) return false;
  const start = Buffer.from(
    bytes.buffer,
    bytes.byteOffset,
    Math.min(bytes.byteLength, TYPE_PREFIX.length + 8),
  );
  return start.includes(TYPE_PREFIX);
}

/** Decodes a command. Throws UnimplementedError for one that is not known, OPTION_INVALID for bytes that are none. */
export function readSqlCommand(bytes: Uint8Array): SqlCommand {
  const { name, value } = unpack(bytes);
  if (!isCommandName(name)) throw new UnimplementedError(`Flight SQL's ${name.slice(0, 60)} is not offered.`);
  const message = decode(commandCodecs[name] as SqlCodec<object>, value, name);
  return { name, message } as SqlCommand;
}

/** Encodes a command or ticket. */
export function writeSqlCommand<N extends SqlCommandName>({ name, message }: SqlCommandOf<N>): Uint8Array {
  return packMessage(name, commandCodecs[name as SqlCommandName] as SqlCodec<object>, message as object);
}

/** Decodes an action's body: a message of this name in an `Any`. Throws OPTION_INVALID. */
export function unpackMessage<T>(bytes: Uint8Array, name: string, codec: SqlCodec<T>): T {
  const { name: found, value } = unpack(bytes);
  if (found !== name) throw invalid(`The body holds ${found.slice(0, 60)}, not ${name}.`);
  return decode(codec, value, name);
}

/** Encodes an action's result. */
export function packMessage<T>(name: string, codec: SqlCodec<T>, message: T): Uint8Array {
  return sqlCodecs.any.encode({ typeUrl: TYPE_PREFIX + name, value: codec.encode(message) });
}

function unpack(bytes: Uint8Array): { readonly name: string; readonly value: Uint8Array } {
  const { typeUrl = '', value = new Uint8Array(0) }: Partial<AnyMessage> = decode(
    sqlCodecs.any,
    bytes,
    'Any',
  );
  if (!typeUrl.startsWith(TYPE_PREFIX)) throw invalid('The message is not one of Flight SQL.');
  return { name: typeUrl.slice(TYPE_PREFIX.length), value };
}

function decode<T>(codec: SqlCodec<T>, bytes: Uint8Array, name: string): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', `The message is not a valid ${name}.`, { cause });
  }
}

function isCommandName(name: string): name is SqlCommandName {
  return Object.hasOwn(commandCodecs, name);
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message);
}
