import { requireScope } from '../../core/auth.ts';
import type { QueryEngine } from '../../core/query.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightCall } from '../flight/call-context.ts';
import { descriptorType, type FlightDescriptor } from '../flight/messages.ts';
import type { FlightStream, IncomingStream } from '../flight/producer.ts';
import { endBatches } from './end-batches.ts';
import type { ParameterMemory } from './parameter-memory.ts';
import { readPlainDescriptor } from './plain-descriptor.ts';
import { readParameters } from './read-parameters.ts';
import { queryContext } from './statement-reader.ts';

/**
 * Answers a DoExchange: the statement of CMD `{"sql": "…"}` with the rows that the client sends as its parameters, each
 * row one binding, all their results one after the other.
 */
export async function exchangeParameters(
  descriptor: FlightDescriptor,
  incoming: IncomingStream,
  call: FlightCall,
  engine: QueryEngine,
  memory: ParameterMemory,
): Promise<FlightStream> {
  requireScope(call.caller, 'read', 'admin');
  const command = readPlainDescriptor(descriptor);
  if (descriptor.type !== descriptorType.CMD || command.name !== 'CommandStatementQuery')
    throw new ArrowportError('OPTION_INVALID', 'A DoExchange takes a statement: CMD {"sql": "SELECT …"}.');
  const held = await readParameters(incoming, memory);
  try {
    const result = await engine.run(command.message.query ?? '', held.parameters, queryContext(call));
    const onEnd = () => {
      held.lease.leave();
      return result.close();
    };
    return { schema: result.schema, batches: endBatches(result.batches, onEnd) };
  } catch (error) {
    held.lease.leave();
    throw error;
  }
}
