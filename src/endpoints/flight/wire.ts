import { ArrowportError } from '../../errors.ts';

/**
 * One `arrow.flight.protocol.FlightData`, its bytes fields as views on the message it was read from.
 * `descriptor` is the undecoded FlightDescriptor.
 * @see https://arrow.apache.org/docs/format/Flight.html
 */
export interface FlightData {
  readonly descriptor: Uint8Array | null;
  /** The flatbuffer `Message`; empty in a message that carries application metadata only. */
  readonly header: Uint8Array;
  readonly appMetadata: Uint8Array | null;
  readonly body: Uint8Array;
}

const FIELD_DESCRIPTOR = 1;
const FIELD_DATA_HEADER = 2;
const FIELD_APP_METADATA = 3;
const FIELD_DATA_BODY = 1000;

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

const MAX_VARINT_BYTES = 10;
const EMPTY = new Uint8Array(0);

/**
 * Reads a FlightData message without copying: the views live as long as `message` does.
 * Unknown fields are skipped, a repeated field's last value counts, as protobuf asks. Throws IPC_MALFORMED.
 */
export function readFlightData(message: Uint8Array): FlightData {
  const cursor: Cursor = { bytes: message, position: 0 };
  let descriptor: Uint8Array | null = null;
  let header: Uint8Array = EMPTY;
  let appMetadata: Uint8Array | null = null;
  let body: Uint8Array = EMPTY;
  while (cursor.position < message.length) {
    const tag = readVarint(cursor);
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field === 0) throw malformed('a field has the number 0');
    if (wireType !== WIRE_BYTES) {
      skipScalar(cursor, wireType);
      continue;
    }
    const value = readBytes(cursor);
    if (field === FIELD_DATA_BODY) body = value;
    else if (field === FIELD_DATA_HEADER) header = value;
    else if (field === FIELD_DESCRIPTOR) descriptor = value;
    else if (field === FIELD_APP_METADATA) appMetadata = value;
  }
  return { descriptor, header, appMetadata, body };
}

/** Writes a FlightData message, the body last, as the Flight specification recommends; copies every field once. */
export function encodeFlightData(data: Partial<FlightData>): Buffer {
  const fields: [number, Uint8Array][] = [];
  if (data.descriptor) fields.push([FIELD_DESCRIPTOR, data.descriptor]);
  if (data.header && data.header.length > 0) fields.push([FIELD_DATA_HEADER, data.header]);
  if (data.appMetadata) fields.push([FIELD_APP_METADATA, data.appMetadata]);
  if (data.body && data.body.length > 0) fields.push([FIELD_DATA_BODY, data.body]);
  let length = 0;
  for (const [field, value] of fields) {
    length += varintLength(field * 8 + WIRE_BYTES) + varintLength(value.length) + value.length;
  }
  const message = Buffer.allocUnsafe(length);
  let position = 0;
  for (const [field, value] of fields) {
    position = writeVarint(message, position, field * 8 + WIRE_BYTES);
    position = writeVarint(message, position, value.length);
    message.set(value, position);
    position += value.length;
  }
  return message;
}

interface Cursor {
  readonly bytes: Uint8Array;
  position: number;
}

function readVarint(cursor: Cursor): number {
  let value = 0;
  let scale = 1;
  for (let count = 0; count < MAX_VARINT_BYTES; count++) {
    const byte = cursor.bytes[cursor.position];
    if (byte === undefined) throw malformed('a number is cut off');
    cursor.position++;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
  throw malformed('a number is longer than 10 bytes');
}

function readBytes(cursor: Cursor): Uint8Array {
  const length = readVarint(cursor);
  const start = cursor.position;
  // Lengths past 2^53 lose digits but stay past every message's end, so the comparison holds.
  if (length > cursor.bytes.length - start) throw malformed('a field reaches past the end of the message');
  cursor.position = start + length;
  return cursor.bytes.subarray(start, start + length);
}

function skipScalar(cursor: Cursor, wireType: number): void {
  if (wireType === WIRE_VARINT) {
    readVarint(cursor);
    return;
  }
  if (wireType !== WIRE_FIXED64 && wireType !== WIRE_FIXED32)
    throw malformed(`wire type ${wireType} is not known`);
  cursor.position += wireType === WIRE_FIXED64 ? 8 : 4;
  if (cursor.position > cursor.bytes.length) throw malformed('a field reaches past the end of the message');
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

function malformed(what: string): ArrowportError {
  return new ArrowportError('IPC_MALFORMED', `The FlightData message is not valid protobuf: ${what}.`);
}
