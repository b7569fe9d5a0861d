import type { FlightFrame } from '../../arrow/flight-reader.ts';
import type { BodyAllocator, IpcLimits } from '../../core/ipc-message.ts';
import type { ArrowBatch } from '../../core/query.ts';
import type { ArrowSchema } from '../../core/schema.ts';
import type { FlightAction } from './actions.ts';
import type { FlightCall } from './call-context.ts';
import type { FlightDescriptor, FlightInfoMessage, PollInfoMessage } from './messages.ts';

/** A record batch on its way out. */
export interface FlightBatch extends ArrowBatch {
  readonly appMetadata?: Uint8Array;
}

/** What a DoGet answers: a schema, then batches. */
export interface FlightStream {
  readonly schema: ArrowSchema;
  /** Iterated once; `return` is called when the client has gone. One batch is pulled while the one before is read: each owns its memory. */
  readonly batches: AsyncIterable<FlightBatch>;
}

/** The side of a DoPut or DoExchange that comes from the client, its first message read. */
export interface IncomingStream {
  /** The flatbuffer `Message` of the first message; empty where it carries a descriptor only. */
  readonly firstHeader: Uint8Array;
  readonly limits: IpcLimits;
  /** The messages with the first, their bodies in memory of `allocator`; fails where the client went away. */
  readFrames(allocator: BodyAllocator): AsyncIterable<FlightFrame>;
}

/** Whoever takes a DoPut over. */
export interface PutHandler {
  /** Whether whoever takes it tells the observer of its errors, with its stream. */
  readonly isLoad: boolean;
  /** Resolves with the `app_metadata` of the one PutResult; null for none. */
  run(incoming: IncomingStream, call: FlightCall): Promise<Uint8Array | null>;
}

/**
 * What answers the reading calls of the Flight service, and DoPuts whose descriptors are its own. Methods that are
 * absent are UNIMPLEMENTED; each throws ArrowportError or UnimplementedError.
 * @see https://arrow.apache.org/docs/format/Flight.html#rpc-methods-and-request-patterns
 */
export interface FlightProducer {
  /** Sees every call first. */
  onCall?(call: FlightCall): void;
  listFlights?(expression: Uint8Array, call: FlightCall): AsyncIterable<FlightInfoMessage>;
  getFlightInfo?(descriptor: FlightDescriptor, call: FlightCall): Promise<FlightInfoMessage>;
  pollFlightInfo?(descriptor: FlightDescriptor, call: FlightCall): Promise<PollInfoMessage>;
  getSchema?(descriptor: FlightDescriptor, call: FlightCall): Promise<ArrowSchema>;
  doGet?(ticket: Uint8Array, call: FlightCall): Promise<FlightStream>;
  /** Undefined for a DoPut that is a load of a stream. */
  findPut?(descriptor: FlightDescriptor): PutHandler | undefined;
  /** Answers the client's stream with one of its own. */
  doExchange?(
    descriptor: FlightDescriptor,
    incoming: IncomingStream,
    call: FlightCall,
  ): Promise<FlightStream>;
  readonly actions?: readonly FlightAction[];
}
