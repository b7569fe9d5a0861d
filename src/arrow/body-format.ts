/** The first bytes (and the last ones) of an Arrow IPC file. */
export const FILE_MAGIC = 'ARROW1';

const signatures: readonly (readonly [prefix: string, description: string])[] = [
  ['ARROW1', 'an Arrow IPC file'],
  ['\xff\xff\xff\xff', 'an Arrow IPC stream'],
  ['FEA1', 'a Feather V1 file'],
  ['PAR1', 'a Parquet file'],
  ['PARE', 'an encrypted Parquet file'],
  ['Obj\x01', 'an Avro file'],
  ['ORC', 'an ORC file'],
  ['\x1f\x8b', 'gzip data (is Content-Encoding: gzip missing?)'],
  ['\x28\xb5\x2f\xfd', 'zstd data (is Content-Encoding: zstd missing?)'],
  ['\x04\x22\x4d\x18', 'an LZ4 frame'],
  ['PK\x03\x04', 'a zip archive'],
];

/** What a body that starts with these bytes looks like, e.g. `a Parquet file`; undefined when nothing comes to mind. */
export function findBodyFormat(start: Uint8Array): string | undefined {
  const text = Buffer.from(start.buffer, start.byteOffset, start.byteLength).toString('latin1');
  const known = signatures.find(([prefix]) => text.startsWith(prefix));
  if (known !== undefined) return known[1];
  if (text.length < 4 || !/^[\x20-\x7e\r\n\t]+$/.test(text)) return undefined;
  if (text.startsWith('{') || text.startsWith('[')) return 'JSON';
  return text.startsWith('<') ? 'XML or HTML' : 'text';
}
