import { FILE_MAGIC } from './body-format.ts';
import type { ByteSource } from './byte-source.ts';
import { FlatBuffer } from './flatbuffer.ts';
import { malformed, truncated } from './ipc-error.ts';
import { checkVersion, MAX_METADATA_BYTES } from './metadata.ts';

const TAIL_BYTES = 4 + FILE_MAGIC.length;
const BLOCK_BYTES = 24;

/** How many batches of each kind a file has. */
export interface BatchCounts {
  readonly recordBatches: number;
  readonly dictionaries: number;
}

/**
 * Reads the rest of an IPC file, from behind its last message, and compares its footer with what was read.
 * Throws IPC_TRUNCATED when the footer or the trailing magic is missing, IPC_MALFORMED when they do not agree.
 */
export async function readFileFooter(source: ByteSource, counts: BatchCounts): Promise<void> {
  const rest = await source.take(MAX_METADATA_BYTES + TAIL_BYTES);
  if (await source.more()) throw malformed(`The footer of the file is over ${MAX_METADATA_BYTES} bytes.`);
  if (rest.byteLength === 0) throw truncated('The file ends before its footer.');
  const magic = Buffer.from(rest.subarray(-FILE_MAGIC.length)).toString('latin1');
  if (rest.byteLength < TAIL_BYTES || magic !== FILE_MAGIC) {
    throw truncated(`The file does not end with its footer and ${FILE_MAGIC}.`);
  }
  const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
  const footerEnd = rest.byteLength - TAIL_BYTES;
  const footerLength = view.getInt32(footerEnd, true);
  if (footerLength <= 0 || footerLength > footerEnd)
    throw malformed('The footer of the file has a bad length.');
  const footer = new FlatBuffer(rest.slice(footerEnd - footerLength, footerEnd)).root();
  checkVersion(footer.int16(0, 0));
  compare('record batches', footer.vector(3, BLOCK_BYTES).length, counts.recordBatches);
  compare('dictionary batches', footer.vector(2, BLOCK_BYTES).length, counts.dictionaries);
}

function compare(what: string, declared: number, read: number): void {
  if (declared === read) return;
  throw malformed(`The footer of the file names ${declared} ${what}, but the file has ${read}.`);
}
