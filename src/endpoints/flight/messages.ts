import protobuf from 'protobufjs/light.js';

/** `arrow.flight.protocol.FlightDescriptor`; `type` is a {@link descriptorType}. */
export interface FlightDescriptor {
  readonly type: number;
  readonly cmd: Uint8Array;
  readonly path: readonly string[];
}

/** The values of `FlightDescriptor.DescriptorType`. */
export const descriptorType = { UNKNOWN: 0, PATH: 1, CMD: 2 } as const;

/** `arrow.flight.protocol.HandshakeRequest` and `HandshakeResponse`, which have the same fields. */
export interface HandshakeMessage {
  /** A uint64 as decimal text. */
  readonly protocolVersion: string;
  readonly payload: Uint8Array;
}

/** `arrow.flight.protocol.BasicAuth`, the payload of the older handshake. */
export interface BasicAuthMessage {
  readonly username: string;
  readonly password: string;
}

/** `arrow.flight.protocol.Action`. */
export interface ActionMessage {
  readonly type: string;
  readonly body: Uint8Array;
}

/** `arrow.flight.protocol.ActionType`. */
export interface ActionTypeMessage {
  readonly type: string;
  readonly description: string;
}

/** `arrow.flight.protocol.Result`, an answer of an action. */
export interface ResultMessage {
  readonly body: Uint8Array;
}

/** `arrow.flight.protocol.PutResult`. */
export interface PutResultMessage {
  readonly appMetadata: Uint8Array;
}

/** `arrow.flight.protocol.Criteria`. */
export interface CriteriaMessage {
  readonly expression: Uint8Array;
}

/** `arrow.flight.protocol.Ticket`. */
export interface TicketMessage {
  readonly ticket: Uint8Array;
}

/** `arrow.flight.protocol.SchemaResult`; `schema` is an encapsulated IPC message. */
export interface SchemaResultMessage {
  readonly schema: Uint8Array;
}

/** `google.protobuf.Timestamp`. */
export interface TimestampMessage {
  /** Seconds since 1970, an int64 as decimal text or a safe integer. */
  readonly seconds: string | number;
  readonly nanos: number;
}

/** `arrow.flight.protocol.FlightEndpoint`. */
export interface FlightEndpointMessage {
  readonly ticket: TicketMessage;
  readonly location: readonly { readonly uri: string }[];
  readonly expirationTime?: TimestampMessage | null;
  readonly appMetadata?: Uint8Array;
}

/** `arrow.flight.protocol.FlightInfo`; the totals are -1 where they are not known. */
export interface FlightInfoMessage {
  readonly schema: Uint8Array;
  readonly flightDescriptor?: FlightDescriptor;
  readonly endpoint: readonly FlightEndpointMessage[];
  /** An int64 as decimal text or a safe integer. */
  readonly totalRecords: string | number;
  /** An int64 as decimal text or a safe integer. */
  readonly totalBytes: string | number;
  readonly ordered?: boolean;
  readonly appMetadata?: Uint8Array;
}

/** `arrow.flight.protocol.PollInfo`. */
export interface PollInfoMessage {
  readonly info?: FlightInfoMessage;
  readonly flightDescriptor?: FlightDescriptor;
  /** From 0 to 1. */
  readonly progress?: number;
  readonly expirationTime?: TimestampMessage | null;
}

/** `arrow.flight.protocol.CancelFlightInfoRequest`. */
export interface CancelFlightInfoMessage {
  readonly info: FlightInfoMessage | null;
}

/** `arrow.flight.protocol.CancelFlightInfoResult`; `status` is a {@link cancelStatus}. */
export interface CancelFlightInfoResultMessage {
  readonly status: number;
}

/** The values of `CancelStatus`. */
export const cancelStatus = { UNSPECIFIED: 0, CANCELLED: 1, CANCELLING: 2, NOT_CANCELLABLE: 3 } as const;

/** `arrow.flight.protocol.RenewFlightEndpointRequest`. */
export interface RenewFlightEndpointMessage {
  readonly endpoint: FlightEndpointMessage | null;
}

/** `arrow.flight.protocol.SessionOptionValue`: one of the kinds, or none, which unsets the option. */
export interface SessionOptionValueMessage {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  /** An int64 as decimal text. */
  readonly int64Value?: string;
  readonly doubleValue?: number;
  readonly stringListValue?: { readonly values: readonly string[] };
}

/** `arrow.flight.protocol.SetSessionOptionsRequest` and `GetSessionOptionsResult`, which have the same field. */
export interface SessionOptionsMessage {
  readonly sessionOptions: Readonly<Record<string, SessionOptionValueMessage>>;
}

/** `arrow.flight.protocol.SetSessionOptionsResult`; `value` is a {@link sessionOptionError}. */
export interface SetSessionOptionsResultMessage {
  readonly errors: Readonly<Record<string, { readonly value: number }>>;
}

/** The values of `SetSessionOptionsResult.ErrorValue`. */
export const sessionOptionError = { UNSPECIFIED: 0, INVALID_NAME: 1, INVALID_VALUE: 2, ERROR: 3 } as const;

/** `arrow.flight.protocol.CloseSessionResult`; `status` is a {@link closeSessionStatus}. */
export interface CloseSessionResultMessage {
  readonly status: number;
}

/** The values of `CloseSessionResult.Status`. */
export const closeSessionStatus = { UNSPECIFIED: 0, CLOSED: 1, CLOSING: 2, NOT_CLOSEABLE: 3 } as const;

/** Writes and reads one protobuf message type. */
export interface MessageCodec<T> {
  encode(message: T): Buffer;
  /** Fields that are absent have their protobuf defaults. Throws when the bytes are not the message. */
  decode(bytes: Uint8Array): T;
}

const bytes = (id: number) => ({ type: 'bytes', id });
const text = (id: number) => ({ type: 'string', id });
const mapOf = (type: string, id: number): protobuf.IField => {
  const field: protobuf.IMapField = { keyType: 'string', type, id };
  return field;
};

/**
 * The messages of Flight.proto by their public field numbers, FlightData excepted (see `wire.ts`),
 * as protobufjs reflection, which loads without parsing.
 * @see https://github.com/apache/arrow/blob/main/format/Flight.proto
 */
const root = protobuf.Root.fromJSON({
  nested: {
    Timestamp: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
    HandshakeRequest: { fields: { protocolVersion: { type: 'uint64', id: 1 }, payload: bytes(2) } },
    HandshakeResponse: { fields: { protocolVersion: { type: 'uint64', id: 1 }, payload: bytes(2) } },
    BasicAuth: { fields: { username: text(2), password: text(3) } },
    Empty: { fields: {} },
    ActionType: { fields: { type: text(1), description: text(2) } },
    Criteria: { fields: { expression: bytes(1) } },
    Action: { fields: { type: text(1), body: bytes(2) } },
    Result: { fields: { body: bytes(1) } },
    SchemaResult: { fields: { schema: bytes(1) } },
    // The enum DescriptorType is an int32 on the wire; as such an unknown value is kept and can be named.
    FlightDescriptor: {
      fields: { type: { type: 'int32', id: 1 }, cmd: bytes(2), path: { rule: 'repeated', ...text(3) } },
    },
    Ticket: { fields: { ticket: bytes(1) } },
    Location: { fields: { uri: text(1) } },
    FlightEndpoint: {
      fields: {
        ticket: { type: 'Ticket', id: 1 },
        location: { rule: 'repeated', type: 'Location', id: 2 },
        expirationTime: { type: 'Timestamp', id: 3 },
        appMetadata: bytes(4),
      },
    },
    FlightInfo: {
      fields: {
        schema: bytes(1),
        flightDescriptor: { type: 'FlightDescriptor', id: 2 },
        endpoint: { rule: 'repeated', type: 'FlightEndpoint', id: 3 },
        totalRecords: { type: 'int64', id: 4 },
        totalBytes: { type: 'int64', id: 5 },
        ordered: { type: 'bool', id: 6 },
        appMetadata: bytes(7),
      },
    },
    PollInfo: {
      fields: {
        info: { type: 'FlightInfo', id: 1 },
        flightDescriptor: { type: 'FlightDescriptor', id: 2 },
        progress: { type: 'double', id: 3 },
        expirationTime: { type: 'Timestamp', id: 4 },
      },
    },
    PutResult: { fields: { appMetadata: bytes(1) } },
    // Enums are int32 on the wire.
    CancelFlightInfoRequest: { fields: { info: { type: 'FlightInfo', id: 1 } } },
    CancelFlightInfoResult: { fields: { status: { type: 'int32', id: 1 } } },
    RenewFlightEndpointRequest: { fields: { endpoint: { type: 'FlightEndpoint', id: 1 } } },
    StringList: { fields: { values: { rule: 'repeated', ...text(1) } } },
    SessionOptionValue: {
      oneofs: {
        value: { oneof: ['stringValue', 'boolValue', 'int64Value', 'doubleValue', 'stringListValue'] },
      },
      fields: {
        stringValue: text(1),
        boolValue: { type: 'bool', id: 2 },
        int64Value: { type: 'sfixed64', id: 3 },
        doubleValue: { type: 'double', id: 4 },
        stringListValue: { type: 'StringList', id: 5 },
      },
    },
    SessionOptions: {
      fields: { sessionOptions: mapOf('SessionOptionValue', 1) },
    },
    SessionOptionError: { fields: { value: { type: 'int32', id: 1 } } },
    SetSessionOptionsResult: {
      fields: { errors: mapOf('SessionOptionError', 1) },
    },
    CloseSessionResult: { fields: { status: { type: 'int32', id: 1 } } },
  },
});

/** Map and list fields are always there; of the others only those that the sender wrote. */
function createSparseCodec<T>(name: string): MessageCodec<T> {
  const type = root.lookupType(name);
  return {
    ...createCodec<T>(name),
    decode: (encoded) =>
      type.toObject(type.decode(encoded), { objects: true, arrays: true, longs: String }) as T,
  };
}

function createCodec<T>(name: string): MessageCodec<T> {
  const type = root.lookupType(name);
  return {
    encode: (message) => Buffer.from(type.encode(type.fromObject(message as object)).finish()),
    decode: (encoded) =>
      type.toObject(type.decode(encoded), { defaults: true, arrays: true, longs: String }) as T,
  };
}

/** The codec of every message of the Flight service but FlightData. */
export const codecs = {
  handshakeRequest: createCodec<HandshakeMessage>('HandshakeRequest'),
  handshakeResponse: createCodec<HandshakeMessage>('HandshakeResponse'),
  basicAuth: createCodec<BasicAuthMessage>('BasicAuth'),
  empty: createCodec<Record<string, never>>('Empty'),
  actionType: createCodec<ActionTypeMessage>('ActionType'),
  criteria: createCodec<CriteriaMessage>('Criteria'),
  action: createCodec<ActionMessage>('Action'),
  result: createCodec<ResultMessage>('Result'),
  schemaResult: createCodec<SchemaResultMessage>('SchemaResult'),
  flightDescriptor: createCodec<FlightDescriptor>('FlightDescriptor'),
  ticket: createCodec<TicketMessage>('Ticket'),
  flightInfo: createCodec<FlightInfoMessage>('FlightInfo'),
  pollInfo: createCodec<PollInfoMessage>('PollInfo'),
  putResult: createCodec<PutResultMessage>('PutResult'),
  flightEndpoint: createCodec<FlightEndpointMessage>('FlightEndpoint'),
  cancelFlightInfo: createCodec<CancelFlightInfoMessage>('CancelFlightInfoRequest'),
  cancelFlightInfoResult: createCodec<CancelFlightInfoResultMessage>('CancelFlightInfoResult'),
  renewFlightEndpoint: createCodec<RenewFlightEndpointMessage>('RenewFlightEndpointRequest'),
  sessionOptions: createSparseCodec<SessionOptionsMessage>('SessionOptions'),
  setSessionOptionsResult: createCodec<SetSessionOptionsResultMessage>('SetSessionOptionsResult'),
  closeSessionResult: createCodec<CloseSessionResultMessage>('CloseSessionResult'),
} as const;
