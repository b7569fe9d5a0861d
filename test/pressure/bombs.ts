import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  frameMetadata,
} from '../../src/arrow/stream-writer.ts';
import type { BodyCodec } from '../../src/core/ipc-message.ts';
import { createRandom } from '../fuzz/random.ts';
import { arrayOf, field } from '../unit/arrow/stream-fixtures.ts';

/** A body that is small on the wire and large once it is undone. */
export interface Bomb {
  readonly name: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly unfoldsTo: number;
}

const column = field('n', { kind: 'int', bitWidth: 64, signed: true });
const WIRE_BYTES = 1_000_000;

function schemaFrame(): Uint8Array {
  return frameMetadata(encodeSchemaMessage({ fields: [column], metadata: new Map() }));
}

/** A stream of one record batch of so many megabytes of zeros. */
export async function zeroStream(megabytes: number): Promise<Buffer> {
  return Buffer.concat([schemaFrame(), await zeros(megabytes, null)]);
}

/** A framed record batch of so many megabytes of zeros. */
async function zeros(megabytes: number, codec: BodyCodec | null): Promise<Buffer> {
  const rows = megabytes * 131_072;
  const array = arrayOf(column, rows, 0, [null, new BigInt64Array(rows)]);
  const message = await encodeRecordBatchMessage([array], rows, { codec, level: 3 });
  return Buffer.concat([frameMetadata(message.metadata), message.body]);
}

/** As many copies as fit into the wire bytes behind the schema. */
function repeated(message: Uint8Array, most: number): { stream: Buffer; copies: number } {
  const copies = Math.max(1, Math.floor(most / message.byteLength));
  return { stream: Buffer.concat([schemaFrame(), ...Array(copies).fill(message)]), copies };
}

/** Says of a framed message with one compressed buffer that it unfolds to so many bytes. */
function declaring(message: Buffer, bytes: bigint): Buffer {
  const changed = Buffer.from(message);
  // The last buffer of the body stands behind its length prefix; an absent bitmap takes no bytes.
  changed.writeBigInt64LE(bytes, 8 + changed.readUInt32LE(4));
  return changed;
}

async function bufferBombs(): Promise<Bomb[]> {
  const bombs: Bomb[] = [];
  for (const codec of ['zstd', 'lz4-frame'] as const) {
    for (const megabytes of [60, 240]) {
      const { stream, copies } = repeated(await zeros(megabytes, codec), WIRE_BYTES);
      const name = `${codec} buffers of ${megabytes} MB each`;
      bombs.push({ name, body: stream, headers: {}, unfoldsTo: copies * megabytes * 2 ** 20 });
    }
    const message = await zeros(240, codec);
    for (const [what, declared] of [
      ['10 GB in one', 10_000_000_000n],
      ['a kilobyte of what holds 240 MB', 1024n],
      ['all that fits a number', 2n ** 62n],
    ] as const) {
      const { stream } = repeated(declaring(message, declared), 1);
      bombs.push({
        name: `${codec} buffers that declare ${what}`,
        body: stream,
        headers: {},
        unfoldsTo: Math.max(Number(declared), 240 * 2 ** 20),
      });
    }
  }
  return bombs;
}

const encoders: readonly (readonly [name: string, encode: (bytes: Uint8Array) => Buffer])[] = [
  ['zstd', (bytes) => zstdCompressSync(bytes)],
  ['gzip', (bytes) => gzipSync(bytes)],
  ['br', (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })],
];

/** A framed record batch in which nothing repeats: behind it a bomb is not known by its first bytes. */
async function noise(): Promise<Buffer> {
  const random = createRandom(5);
  const values = BigInt64Array.from({ length: 4000 }, () => BigInt(random.below(2 ** 32)));
  const array = arrayOf(column, values.length, 0, [null, values]);
  const { metadata, body } = await encodeRecordBatchMessage([array], values.length, {
    codec: null,
    level: 3,
  });
  return Buffer.concat([frameMetadata(metadata), body]);
}

async function encodedBombs(): Promise<Bomb[]> {
  const message = await zeros(16, null);
  const { stream, copies } = repeated(message, 32 * message.byteLength);
  const nested = repeated(await zeros(60, 'zstd'), 64_000_000 / 8);
  const bombs: Bomb[] = [];
  for (const [encoding, encode] of encoders) {
    const headers = { 'content-encoding': encoding };
    const once = encode(stream);
    // Further members and frames go on where the one before ended; brotli has none.
    const rest = encode(stream.subarray(schemaFrame().byteLength));
    const times = encoding === 'br' ? 0 : Math.floor((WIRE_BYTES - once.byteLength) / rest.byteLength);
    bombs.push({
      name: `a body in ${encoding}`,
      body: Buffer.concat([once, ...Array(Math.max(0, times)).fill(rest)]),
      headers,
      unfoldsTo: (1 + Math.max(0, times)) * copies * 16 * 2 ** 20,
    });
    bombs.push({
      name: `a body in ${encoding} behind noise`,
      body: encode(Buffer.concat([schemaFrame(), await noise(), stream.subarray(schemaFrame().byteLength)])),
      headers,
      unfoldsTo: copies * 16 * 2 ** 20,
    });
    bombs.push({
      name: `a body in ${encoding} of zstd buffers`,
      body: encode(nested.stream),
      headers,
      unfoldsTo: nested.copies * 60 * 2 ** 20,
    });
  }
  const twice = zstdCompressSync(zstdCompressSync(stream));
  bombs.push({
    name: 'a body in zstd, twice',
    body: twice,
    headers: { 'content-encoding': 'zstd, zstd' },
    unfoldsTo: stream.byteLength,
  });
  return bombs;
}

/** Bodies of at most about a megabyte that unfold to hundreds or thousands. */
export async function makeBombs(): Promise<readonly Bomb[]> {
  return [...(await bufferBombs()), ...(await encodedBombs())];
}
