import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { encodeSchemaMessage, frameMetadata } from '../../arrow/stream-writer.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { CallScope } from './call-scope.ts';
import { decodeDescriptor } from './descriptor.ts';
import { sendFlightStream } from './do-get.ts';
import { answerStream, type FlightRunner, type OpenFlightCall } from './flight-call.ts';
import { createFrameSource, type FrameLimits } from './frame-source.ts';
import { openIncoming } from './incoming.ts';
import type {
  FlightDescriptor,
  FlightInfoMessage,
  PollInfoMessage,
  SchemaResultMessage,
  TicketMessage,
} from './messages.ts';
import type { FlightProducer, FlightStream } from './producer.ts';
import { type Received, readRequest } from './service.ts';
import { trailer, UnimplementedError } from './status.ts';

/** What the reading calls need. */
export interface ReadingContext {
  readonly producer: FlightProducer;
  limits(): FrameLimits;
}

/** The refusal of a method that nobody answers. */
export function notOffered(name: string): UnimplementedError {
  return new UnimplementedError(`${name} is not offered by this server.`);
}

/** Makes the implementation of the calls that answer with infos, schemas and streams. */
export function createReadingHandlers(
  run: FlightRunner,
  { producer, limits }: ReadingContext,
): UntypedServiceImplementation {
  const DoGet: handleServerStreamingCall<Received<TicketMessage>, never> = (call) =>
    run('DoGet', call, answerStream(call), async (scope, flightCall) => {
      if (producer.doGet === undefined) throw notOffered('DoGet');
      const { ticket } = readRequest(call.request);
      await send(await producer.doGet(ticket, flightCall), scope, flightCall, limits());
      return readTrailers(flightCall);
    });
  const DoExchange: handleBidiStreamingCall<never, never> = (call) =>
    run('DoExchange', call, answerStream(call), async (scope, flightCall) => {
      if (producer.doExchange === undefined) throw notOffered('DoExchange');
      const frames = createFrameSource(call.metadata, scope, limits());
      try {
        const first = await frames.first();
        if (!first?.descriptor)
          throw new ArrowportError(
            'OPTION_INVALID',
            'The first message of a DoExchange must carry a descriptor.',
          );
        const incoming = openIncoming(first.header, frames, limits());
        const descriptor = decodeDescriptor(first.descriptor);
        await send(await producer.doExchange(descriptor, incoming, flightCall), scope, flightCall, limits());
        return readTrailers(flightCall);
      } finally {
        frames.close();
      }
    });
  return {
    DoGet,
    DoExchange,
    GetFlightInfo: unary<FlightInfoMessage>(run, 'GetFlightInfo', () =>
      producer.getFlightInfo?.bind(producer),
    ),
    PollFlightInfo: unary<PollInfoMessage>(run, 'PollFlightInfo', () =>
      producer.pollFlightInfo?.bind(producer),
    ),
    GetSchema: unary<SchemaResultMessage>(run, 'GetSchema', () => {
      const getSchema = producer.getSchema?.bind(producer);
      if (getSchema === undefined) return undefined;
      return async (descriptor, call) => ({ schema: encapsulateSchema(await getSchema(descriptor, call)) });
    }),
  };
}

/** A schema as `FlightInfo.schema` and `SchemaResult.schema` have it: an encapsulated IPC message. */
export function encapsulateSchema(schema: ArrowSchema): Uint8Array {
  return frameMetadata(encodeSchemaMessage(schema));
}

type DescriptorAnswer<T> = (descriptor: FlightDescriptor, call: OpenFlightCall) => Promise<T>;

function unary<T>(
  run: FlightRunner,
  name: string,
  find: () => DescriptorAnswer<T> | undefined,
): handleUnaryCall<Received<FlightDescriptor>, T> {
  return (call, callback) => {
    let message: T | undefined;
    const answer = {
      succeed: (trailers: Metadata | undefined) => callback(null, message, trailers),
      fail: (status: Parameters<typeof callback>[0]) => callback(status),
    };
    run(name, call, answer, async (_scope, flightCall) => {
      const answering = find();
      if (answering === undefined) throw notOffered(name);
      message = await answering(readRequest(call.request), flightCall);
      return readTrailers(flightCall);
    });
  };
}

async function send(
  answer: FlightStream,
  scope: CallScope,
  flightCall: OpenFlightCall,
  { idleTimeoutSeconds }: FrameLimits,
): Promise<void> {
  flightCall.sendHeaders();
  const { signal, abort } = scope;
  await sendFlightStream(answer, scope.transport.response(), { signal, abort, idleTimeoutSeconds });
}

function readTrailers({ requestId }: OpenFlightCall): Metadata {
  const trailers = new Metadata();
  trailers.set(trailer.requestId, requestId);
  return trailers;
}
