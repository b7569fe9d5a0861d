/**
 * One `arrow.flight.protocol.FlightData`; `descriptor` is the encoded FlightDescriptor.
 * @see https://arrow.apache.org/docs/format/Flight.html
 */
export interface FlightData {
  readonly descriptor: Uint8Array | null;
  /** The flatbuffer `Message`; empty in a message that carries application metadata only. */
  readonly header: Uint8Array;
  readonly appMetadata: Uint8Array | null;
  readonly body: Uint8Array;
}

/** The field numbers of FlightData. */
export const flightDataField = { DESCRIPTOR: 1, DATA_HEADER: 2, APP_METADATA: 3, DATA_BODY: 1000 } as const;

/** The wire types of protobuf that messages of today have. */
export const wireType = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const;

/** Writes a FlightData message, the body last, as the Flight specification recommends; copies every field once. */
export function encodeFlightData(data: Partial<FlightData>): Buffer {
  const fields: [number, Uint8Array][] = [];
  if (data.descriptor) fields.push([flightDataField.DESCRIPTOR, data.descriptor]);
  if (data.header && data.header.length > 0) fields.push([flightDataField.DATA_HEADER, data.header]);
  if (data.appMetadata) fields.push([flightDataField.APP_METADATA, data.appMetadata]);
  if (data.body && data.body.length > 0) fields.push([flightDataField.DATA_BODY, data.body]);
  let length = 0;
  for (const [field, value] of fields) {
    length += varintLength(field * 8 + wireType.BYTES) + varintLength(value.length) + value.length;
  }
  const message = Buffer.allocUnsafe(length);
  let position = 0;
  for (const [field, value] of fields) {
    position = writeVarint(message, position, field * 8 + wireType.BYTES);
    position = writeVarint(message, position, value.length);
    message.set(value, position);
    position += value.length;
  }
  return message;
}

/** Bytes before a gRPC message: whether it is compressed, and its length. */
const GRPC_PREFIX_BYTES = 5;

/**
 * The start of a gRPC message that is a FlightData: everything but the `bodyBytes` bytes of the body, which follow as
 * they are.
 */
export function frameFlightData(data: Omit<Partial<FlightData>, 'body'>, bodyBytes: number): Buffer {
  const fields = encodeFlightData(data);
  const tag = flightDataField.DATA_BODY * 8 + wireType.BYTES;
  const lead = bodyBytes === 0 ? 0 : varintLength(tag) + varintLength(bodyBytes);
  const start = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + fields.length + lead);
  start.writeUInt8(0, 0);
  start.writeUInt32BE(fields.length + lead + bodyBytes, 1);
  start.set(fields, GRPC_PREFIX_BYTES);
  if (bodyBytes === 0) return start;
  writeVarint(start, writeVarint(start, GRPC_PREFIX_BYTES + fields.length, tag), bodyBytes);
  return start;
}

function writeVarint(target: Uint8Array, start: number, value: number): number {
  let position = start;
  let rest = value;
  while (rest >= 0x80) {
    target[position++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  target[position++] = rest;
  return position;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++;
  return length;
}
