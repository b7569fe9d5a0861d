const CONTINUATION = 0xffffffff;
const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
const PADDING = new Uint8Array(ALIGNMENT);

/**
 * The parts of one encapsulated IPC message, in order and without copying: prefix, metadata, padding, body.
 * @see https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
 */
export function frameMessage(metadata: Uint8Array, body: Uint8Array | null): Uint8Array[] {
  const padding = (ALIGNMENT - (metadata.length % ALIGNMENT)) % ALIGNMENT;
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix.writeUInt32LE(CONTINUATION, 0);
  prefix.writeInt32LE(metadata.length + padding, 4);
  const parts: Uint8Array[] = [prefix, metadata];
  if (padding > 0) parts.push(PADDING.subarray(0, padding));
  if (body !== null && body.length > 0) parts.push(body);
  return parts;
}
