import type { ArrowSchema } from '../../core/schema.ts';
import type { FlightCall } from '../flight/call-context.ts';
import type {
  FlightDescriptor,
  FlightEndpointMessage,
  FlightInfoMessage,
  SessionOptionsMessage,
  SetSessionOptionsResultMessage,
} from '../flight/messages.ts';
import type { FlightStream, IncomingStream } from '../flight/producer.ts';
import type { SqlCommandOf } from './sql-command.ts';
import type {
  BeginSavepointMessage,
  EndSavepointMessage,
  EndTransactionMessage,
  PreparedStatementMessage,
  StatementIngestMessage,
  StatementMessage,
  SubstraitPlanMessage,
} from './sql-messages.ts';

/** Commands that stand for rows. */
export type ReadingCommand = SqlCommandOf<
  | 'CommandStatementQuery'
  | 'CommandStatementSubstraitPlan'
  | 'CommandPreparedStatementQuery'
  | 'CommandGetCatalogs'
  | 'CommandGetDbSchemas'
  | 'CommandGetTables'
  | 'CommandGetTableTypes'
  | 'CommandGetPrimaryKeys'
  | 'CommandGetExportedKeys'
  | 'CommandGetImportedKeys'
  | 'CommandGetCrossReference'
  | 'CommandGetXdbcTypeInfo'
  | 'CommandGetSqlInfo'
>;

/** Commands that change rows. */
export type UpdateCommand = SqlCommandOf<
  'CommandStatementUpdate' | 'CommandStatementSubstraitPlan' | 'CommandPreparedStatementUpdate'
>;

/** What a ticket holds: the handle of a statement, or a command as it was asked. */
export type TicketCommand = ReadingCommand | SqlCommandOf<'TicketStatementQuery'>;

/**
 * What a Flight SQL server does, in decoded messages; what is absent is UNIMPLEMENTED.
 * @see https://arrow.apache.org/docs/format/FlightSql.html
 */
export interface FlightSqlService {
  describe(
    command: ReadingCommand,
    descriptor: FlightDescriptor,
    call: FlightCall,
  ): Promise<FlightInfoMessage>;
  schemaOf(command: ReadingCommand, call: FlightCall): Promise<ArrowSchema>;
  read(ticket: TicketCommand, call: FlightCall): Promise<FlightStream>;
  /** Resolves with the rows changed. */
  update?(command: UpdateCommand, incoming: IncomingStream, call: FlightCall): Promise<number>;
  /** Binds parameters to a prepared query; resolves with the handle that has them. */
  bind?(
    command: SqlCommandOf<'CommandPreparedStatementQuery'>,
    incoming: IncomingStream,
    call: FlightCall,
  ): Promise<Uint8Array>;
  /** Resolves with the rows written. */
  ingest?(message: StatementIngestMessage, incoming: IncomingStream, call: FlightCall): Promise<number>;
  prepare?(message: StatementMessage, call: FlightCall): Promise<PreparedStatementMessage>;
  prepareSubstrait?(message: SubstraitPlanMessage, call: FlightCall): Promise<PreparedStatementMessage>;
  closePrepared?(handle: Uint8Array, call: FlightCall): Promise<void>;
  /** Resolves with the transaction's id. */
  beginTransaction?(call: FlightCall): Promise<Uint8Array>;
  endTransaction?(message: EndTransactionMessage, call: FlightCall): Promise<void>;
  /** Resolves with the savepoint's id. */
  beginSavepoint?(message: BeginSavepointMessage, call: FlightCall): Promise<Uint8Array>;
  endSavepoint?(message: EndSavepointMessage, call: FlightCall): Promise<void>;
  /** Resolves with a `CancelStatus`. */
  cancelFlightInfo?(info: FlightInfoMessage, call: FlightCall): Promise<number>;
  renewFlightEndpoint?(endpoint: FlightEndpointMessage, call: FlightCall): Promise<FlightEndpointMessage>;
  setSessionOptions?(
    options: SessionOptionsMessage,
    call: FlightCall,
  ): Promise<SetSessionOptionsResultMessage>;
  getSessionOptions?(call: FlightCall): Promise<SessionOptionsMessage>;
  /** Resolves with a `CloseSessionResult.Status`. */
  closeSession?(call: FlightCall): Promise<number>;
}
