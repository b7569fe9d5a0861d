import { ArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import { descriptorType, type FlightDescriptor, type FlightInfoMessage } from '../flight/messages.ts';
import type { FlightProducer, IncomingStream, PutHandler } from '../flight/producer.ts';
import { UnimplementedError } from '../flight/status.ts';
import { createSqlActions } from './sql-actions.ts';
import { isSqlCommand, readSqlCommand, type SqlCommand } from './sql-command.ts';
import { sqlCodecs } from './sql-messages.ts';
import type { FlightSqlService, ReadingCommand, TicketCommand } from './sql-service.ts';

/** What a producer may answer beyond the commands of Flight SQL. */
export interface SqlProducerOptions extends Pick<FlightProducer, 'onCall' | 'listFlights' | 'doExchange'> {
  /** The command that another descriptor stands for; throws for one that stands for none. */
  readDescriptor?(descriptor: FlightDescriptor, call: FlightCall): ReadingCommand;
}

/** Answers the calls of Flight with what a Flight SQL service does. */
export function createSqlProducer(
  service: FlightSqlService,
  options: SqlProducerOptions = {},
): FlightProducer {
  const { readDescriptor, ...further } = options;

  const readCommand = (descriptor: FlightDescriptor, call: FlightCall): ReadingCommand => {
    if (descriptor.type === descriptorType.CMD && isSqlCommand(descriptor.cmd)) {
      return requireReading(readSqlCommand(descriptor.cmd));
    }
    if (readDescriptor !== undefined) return readDescriptor(descriptor, call);
    throw new ArrowportError('OPTION_INVALID', 'The descriptor is not a command of Flight SQL.');
  };
  const getFlightInfo = (descriptor: FlightDescriptor, call: FlightCall): Promise<FlightInfoMessage> =>
    service.describe(readCommand(descriptor, call), descriptor, call);

  return {
    ...further,
    getFlightInfo: async (descriptor, call) => getFlightInfo(descriptor, call),
    // Rows are made while they are read: what is asked for is ready at once.
    pollFlightInfo: async (descriptor, call) => ({
      info: await getFlightInfo(descriptor, call),
      progress: 1,
    }),
    getSchema: async (descriptor, call) => service.schemaOf(readCommand(descriptor, call), call),
    doGet: async (ticket, call) => service.read(readTicket(ticket), call),
    findPut: (descriptor) => findPut(service, descriptor),
    actions: createSqlActions(service),
  };
}

function readTicket(ticket: Uint8Array): TicketCommand {
  if (!isSqlCommand(ticket)) throw notATicket();
  const command = decodeTicket(ticket);
  return command.name === 'TicketStatementQuery' ? command : requireReading(command);
}

/** A ticket that was cut off or changed is no message any more. */
function decodeTicket(ticket: Uint8Array): SqlCommand {
  try {
    return readSqlCommand(ticket);
  } catch {
    throw notATicket();
  }
}

function notATicket(): ArrowportError {
  return new ArrowportError(
    'TICKET_INVALID',
    'The ticket is not one that this server has made: GetFlightInfo answers tickets.',
  );
}

function requireReading(command: SqlCommand): ReadingCommand {
  switch (command.name) {
    case 'TicketStatementQuery':
    case 'CommandStatementUpdate':
    case 'CommandPreparedStatementUpdate':
    case 'CommandStatementIngest':
      throw new ArrowportError('OPTION_INVALID', `${command.name} stands for no rows: send it with DoPut.`);
    default:
      return command;
  }
}

function findPut(service: FlightSqlService, descriptor: FlightDescriptor): PutHandler | undefined {
  if (descriptor.type !== descriptorType.CMD || !isSqlCommand(descriptor.cmd)) return undefined;
  const command = readSqlCommand(descriptor.cmd);
  const run = (incoming: IncomingStream, call: FlightCall) => runPut(service, command, incoming, call);
  return { isLoad: command.name === 'CommandStatementIngest', run };
}

async function runPut(
  service: FlightSqlService,
  command: SqlCommand,
  incoming: IncomingStream,
  call: FlightCall,
): Promise<Uint8Array> {
  const counted = (recordCount: number) => sqlCodecs.updateResult.encode({ recordCount });
  switch (command.name) {
    case 'CommandStatementUpdate':
    case 'CommandStatementSubstraitPlan':
    case 'CommandPreparedStatementUpdate':
      if (service.update === undefined) break;
      return counted(await service.update(command, incoming, call));
    case 'CommandPreparedStatementQuery':
      if (service.bind === undefined) break;
      return sqlCodecs.preparedHandle.encode({
        preparedStatementHandle: await service.bind(command, incoming, call),
      });
    case 'CommandStatementIngest':
      if (service.ingest === undefined) break;
      return counted(await service.ingest(command.message, incoming, call));
    default:
      throw new ArrowportError(
        'OPTION_INVALID',
        `${command.name} stands for rows: send it with GetFlightInfo.`,
      );
  }
  throw new UnimplementedError(`${command.name} is not offered by this server.`);
}
