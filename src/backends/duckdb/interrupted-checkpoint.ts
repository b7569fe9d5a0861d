import { type FileHandle, open } from 'node:fs/promises';
import { lockFile } from './native/file-lock.ts';

/** A number that stands for "none" in the file. */
const none = 2n ** 64n - 1n;
/** Blocks of files that do not say how large theirs are. */
const usualBlockBytes = 262_144;
const headerBytes = 4096;
/** The main header and the two that take turns. */
const firstBlockAt = 3 * headerBytes;
const checksumBytes = 8;
const flagsAt = checksumBytes + 12;
/** Pieces that a block of metadata is made of. */
const piecesPerBlock = 64n;
const indexShift = 56n;
/** The entry that ends a commit, behind that of the checkpoint: its length, checksum and five bytes. */
const flushEntryBytes = 21;
const logTailBytes = 256;
const entryHeadBytes = 16;
/** How the entry begins that says which root a checkpoint is going to write. */
const checkpointStart = Buffer.from([0x64, 0x00, 0x63, 0x65, 0x00]);
/** What comes before the number of the root; both are left out where it is 0. */
const rootField = Buffer.from([0x64, 0x00]);

/** What the newer of the two headers says. */
interface Root {
  readonly iteration: bigint;
  readonly catalog: bigint;
  readonly freeList: bigint;
  readonly blockBytes: number;
}

/**
 * Mends what a checkpoint left that was killed while it wrote. DuckDB writes new metadata into the pieces of a block
 * that are free, and the whole block again in its place; cut off between two pages, it is a mixture whose checksum is
 * that of neither, and DuckDB refuses it. The pieces in use are the same in both, so that only the checksum has to be
 * written anew. Done where the log says that a checkpoint was under way and the file says that it was not completed;
 * any other block with a wrong checksum is damage, and left as it is. Resolves with the blocks that were mended.
 * The database must not be open in this process; one that another process has is left alone.
 */
export async function mendInterruptedCheckpoint(path: string): Promise<readonly number[]> {
  if (path === ':memory:') return [];
  const planned = await readPlannedRoot(`${path}.wal`);
  if (planned === null) return [];
  const file = await open(path, 'r+').catch(() => null);
  if (file === null) return [];
  try {
    return lockFile(file) ? await mendBlocks(file, planned) : [];
  } finally {
    await file.close();
  }
}

/** The root of the checkpoint that the log ends with; null where it ends with something else. */
async function readPlannedRoot(path: string): Promise<bigint | null> {
  const file = await open(path).catch(() => null);
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    const length = Math.min(size, logTailBytes);
    const tail = await readAt(file, size - length, length);
    const log = tail.subarray(0, Math.max(0, length - flushEntryBytes));
    const start = log.lastIndexOf(checkpointStart);
    if (start < entryHeadBytes) return null;
    const entry = log.subarray(start);
    if (log.readBigUInt64LE(start - entryHeadBytes) !== BigInt(entry.length)) return null;
    const field = entry.subarray(checkpointStart.length);
    return field.indexOf(rootField) === 0 ? readVariableLength(field, rootField.length) : 0n;
  } finally {
    await file.close();
  }
}

async function mendBlocks(file: FileHandle, planned: bigint): Promise<readonly number[]> {
  const root = await readRoot(file);
  if (root === null || root.freeList === none || root.catalog === planned) return [];
  const mended: number[] = [];
  const blocks = await readMetadataBlocks(file, root).catch(noneWhereDamaged);
  for (const [block, freePieces] of blocks) {
    // A block without a free piece is never written again in its place.
    if (freePieces === 0n) continue;
    const at = blockAt(block, root);
    const bytes = await readAt(file, at, root.blockBytes);
    const checksum = computeChecksum(bytes.subarray(checksumBytes));
    if (bytes.length < root.blockBytes || bytes.readBigUInt64LE(0) === checksum) continue;
    const written = Buffer.alloc(checksumBytes);
    written.writeBigUInt64LE(checksum);
    await file.write(written, 0, checksumBytes, at);
    mended.push(Number(block));
  }
  if (mended.length > 0) await file.sync();
  return mended;
}

/** What the list says where it is damaged leads beyond its end. */
function noneWhereDamaged(thrown: unknown): ReadonlyMap<bigint, bigint> {
  if (thrown instanceof RangeError) return new Map();
  throw thrown;
}

/** Null where the file is not one that this process knows: encrypted, or damaged in its headers. */
async function readRoot(file: FileHandle): Promise<Root | null> {
  const main = await readAt(file, 0, headerBytes);
  const headers = [
    await readAt(file, headerBytes, headerBytes),
    await readAt(file, 2 * headerBytes, headerBytes),
  ];
  if (![main, ...headers].every(hasItsChecksum) || main.readBigUInt64LE(flagsAt) !== 0n) return null;
  const [first, second] = headers.map(parseRoot);
  if (first === undefined || second === undefined) return null;
  return first.iteration > second.iteration ? first : second;
}

function parseRoot(header: Buffer): Root {
  const word = (index: number) => header.readBigUInt64LE(checksumBytes + 8 * index);
  return {
    iteration: word(0),
    catalog: word(1),
    freeList: word(2),
    blockBytes: Number(word(4)) || usualBlockBytes,
  };
}

/** The blocks of metadata with their free pieces, one bit each. */
async function readMetadataBlocks(file: FileHandle, root: Root): Promise<ReadonlyMap<bigint, bigint>> {
  const list = await readPieces(file, root);
  let at = 0;
  const next = () => {
    at += 8;
    return list.readBigUInt64LE(at - 8);
  };
  const freeBlocks = Number(next());
  at += 8 * freeBlocks;
  const sharedBlocks = Number(next());
  at += 12 * sharedBlocks;
  const blocks = new Map<bigint, bigint>();
  for (let left = Number(next()); left > 0; left -= 1) blocks.set(next(), next());
  return blocks;
}

/** The free list: a chain of pieces that each begin with where the next one is. */
async function readPieces(file: FileHandle, root: Root): Promise<Buffer> {
  const pieceBytes = Math.floor((root.blockBytes - checksumBytes) / Number(piecesPerBlock) / 8) * 8;
  const pieces: Buffer[] = [];
  const seen = new Set<bigint>();
  for (let pointer = root.freeList; pointer !== none && !seen.has(pointer); ) {
    seen.add(pointer);
    const index = Number(pointer >> indexShift);
    const start = blockAt(BigInt.asUintN(Number(indexShift), pointer), root) + checksumBytes;
    const piece = await readAt(file, start + index * pieceBytes, pieceBytes);
    if (piece.length < pieceBytes) break;
    pieces.push(piece.subarray(8));
    pointer = piece.readBigUInt64LE(0);
  }
  return Buffer.concat(pieces);
}

function blockAt(block: bigint, root: Root): number {
  return firstBlockAt + Number(block) * root.blockBytes;
}

function hasItsChecksum(bytes: Buffer): boolean {
  return (
    bytes.length === headerBytes &&
    bytes.readBigUInt64LE(0) === computeChecksum(bytes.subarray(checksumBytes))
  );
}

/** DuckDB's checksum of a whole number of words. */
function computeChecksum(bytes: Buffer): bigint {
  let result = 0n;
  for (let at = 0; at + 8 <= bytes.length; at += 8)
    result ^= BigInt.asUintN(64, bytes.readBigUInt64LE(at) * 0xbf58476d1ce4e5b9n);
  return result ^ 5381n;
}

/** Seven bits a byte, the lowest first. */
function readVariableLength(bytes: Buffer, start: number): bigint {
  let result = 0n;
  for (let shift = 0n, at = start; ; shift += 7n, at += 1) {
    const byte = bytes[at] ?? 0;
    result |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return result;
  }
}

/** Fewer bytes where the file ends. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
