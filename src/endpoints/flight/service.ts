import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ArrowportError } from '../../errors.ts';
import { codecs, type MessageCodec } from './messages.ts';
import { encodeFlightData, type FlightData } from './wire.ts';

/** A request message, or why its bytes could not be read. */
export type Received<T> = T | ArrowportError;

const SERVICE = 'arrow.flight.protocol.FlightService';

/**
 * FlightData as the gRPC library writes it. It reads none: DoPut takes its messages from HTTP/2 itself, and the other
 * calls that would receive some are not offered.
 */
const flightDataCodec = { encode: encodeFlightData, decode: () => undefined };

function received<T>(codec: MessageCodec<T>): {
  encode(message: T): Buffer;
  decode(bytes: Uint8Array): Received<T>;
} {
  return {
    encode: codec.encode,
    decode(bytes) {
      try {
        return codec.decode(bytes);
      } catch (cause) {
        return new ArrowportError('OPTION_INVALID', 'The request is not a valid message of its type.', {
          cause,
        });
      }
    },
  };
}

interface Side<Out, In> {
  encode(message: Out): Buffer;
  decode(bytes: Uint8Array): In;
}

function method<RequestOut, RequestIn, ResponseOut, ResponseIn>(
  name: string,
  streams: { request: boolean; response: boolean },
  request: Side<RequestOut, RequestIn>,
  response: Side<ResponseOut, ResponseIn>,
): MethodDefinition<RequestOut | RequestIn, ResponseOut | ResponseIn> {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream: streams.request,
    responseStream: streams.response,
    requestSerialize: (message) => request.encode(message as RequestOut),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (message) => response.encode(message as ResponseOut),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

const unary = { request: false, response: false };
const serverStream = { request: false, response: true };
const bidi = { request: true, response: true };

/**
 * The method table of the Flight service as the gRPC library takes it.
 * @see https://github.com/apache/arrow/blob/main/format/Flight.proto
 */
export const flightService: ServiceDefinition<UntypedServiceImplementation> = {
  Handshake: method('Handshake', bidi, received(codecs.handshakeRequest), codecs.handshakeResponse),
  ListFlights: method('ListFlights', serverStream, received(codecs.criteria), codecs.flightInfo),
  GetFlightInfo: method('GetFlightInfo', unary, received(codecs.flightDescriptor), codecs.flightInfo),
  PollFlightInfo: method('PollFlightInfo', unary, received(codecs.flightDescriptor), codecs.pollInfo),
  GetSchema: method('GetSchema', unary, received(codecs.flightDescriptor), codecs.schemaResult),
  DoGet: method('DoGet', serverStream, received(codecs.ticket), flightDataCodec),
  DoPut: method('DoPut', bidi, flightDataCodec, codecs.putResult),
  DoExchange: method('DoExchange', bidi, flightDataCodec, flightDataCodec),
  DoAction: method('DoAction', serverStream, received(codecs.action), codecs.result),
  ListActions: method('ListActions', serverStream, received(codecs.empty), codecs.actionType),
};

/** Returns a received message. Throws the error that stands in its place. */
export function readRequest<T>(request: Received<T>): T {
  if (request instanceof ArrowportError) throw request;
  return request;
}

/** A message of DoPut as the client codec of tests and tools writes it. */
export type OutgoingFlightData = Partial<FlightData>;
