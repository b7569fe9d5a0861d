import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { ParquetCompression, ParquetFile, PartitionValues } from '../../../core/parquet-writer.ts';
import { readStatistics } from './column-statistics.ts';
import { countRows, encodeFooter, moveRowGroup, parquetHead, readFooter, spanOf } from './footer.ts';
import type { ThriftStruct } from './thrift-compact.ts';

const copyBytes = 1024 * 1024;
/** From this share of its target on, a file takes only what is less than the other: copying more is not worth it. */
const fullShare = 1 / 2;
const littleShare = 1 / 8;

/** A file that is being added to. */
interface OpenFile {
  readonly name: string;
  readonly file: FileHandle;
  /** The schema and everything else that its footer will say. */
  readonly metadata: ThriftStruct;
  readonly rowGroups: ThriftStruct[];
  /** Where the next row group goes. */
  end: number;
  /** Whether it still ends with the footer that it came with. */
  complete: boolean;
}

/**
 * Joins Parquet files of one schema, as they come, into files near a target size: row groups are moved whole, without
 * being read. A file that comes first is kept as it is and added to.
 */
export class RollingFiles {
  readonly #folder: string;
  readonly #targetBytes: number;
  readonly #compression: ParquetCompression;
  readonly #partition: PartitionValues;
  readonly #id = randomUUID();
  readonly #finished: ParquetFile[] = [];
  #current: OpenFile | null = null;
  #count = 0;
  #buffer: Buffer | null = null;
  /** The file that is added to next, while it is closed. */
  #resting: string | null = null;

  /** `partition` is what all rows share. */
  constructor(
    folder: string,
    targetBytes: number,
    compression: ParquetCompression,
    partition: PartitionValues = [],
  ) {
    this.#folder = folder;
    this.#targetBytes = targetBytes;
    this.#compression = compression;
    this.#partition = partition;
  }

  /** Takes a file of the folder, whose rows follow those of the files before; it is gone afterwards. Returns its size. */
  async take(name: string): Promise<number> {
    const path = join(this.#folder, name);
    const source = await open(path, 'r+');
    let kept = false;
    try {
      const { metadata, rowGroups, dataEnd } = await readFooter(source);
      if (countRows(rowGroups) === 0) return 0;
      await this.#wake();
      if (!this.#hasRoomFor(dataEnd)) await this.#closeCurrent();
      if (this.#current === null && (dataEnd <= this.#targetBytes || rowGroups.length === 1)) {
        kept = true;
        await this.#keep(path, source, { metadata, rowGroups: [...rowGroups], end: dataEnd });
        return dataEnd;
      }
      for (const rowGroup of rowGroups) await this.#append(source, metadata, rowGroup);
      return dataEnd;
    } finally {
      if (!kept) {
        await source.close();
        await unlink(path);
      }
    }
  }

  /** Ends the last file; returns all, in the order of their rows. */
  async finish(): Promise<readonly ParquetFile[]> {
    await this.#wake();
    await this.#closeCurrent();
    return this.#finished;
  }

  /** Closes the file that is added to, until there is more for it. */
  async rest(): Promise<void> {
    const current = this.#current;
    if (current === null) return;
    await complete(current);
    this.#current = null;
    this.#resting = current.name;
    await current.file.close();
  }

  /** Closes what is open and leaves it unfinished. Never throws. */
  async abandon(): Promise<void> {
    await this.#current?.file.close().catch(() => undefined);
    this.#current = null;
  }

  async #keep(
    path: string,
    file: FileHandle,
    content: { metadata: ThriftStruct; rowGroups: ThriftStruct[]; end: number },
  ): Promise<void> {
    const name = this.#nextName();
    this.#current = { name, file, ...content, complete: true };
    await rename(path, join(this.#folder, name));
  }

  async #append(source: FileHandle, metadata: ThriftStruct, rowGroup: ThriftStruct): Promise<void> {
    const { start, end } = spanOf(rowGroup);
    if (this.#current !== null && this.#current.end + end - start > this.#targetBytes)
      await this.#closeCurrent();
    const target = this.#current ?? (await this.#create(metadata));
    target.complete = false;
    await this.#copy(source, { start, end }, target);
    moveRowGroup(rowGroup, target.end - start);
    target.rowGroups.push(rowGroup);
    target.end += end - start;
  }

  #hasRoomFor(bytes: number): boolean {
    if (this.#current === null) return true;
    const { end } = this.#current;
    const most = this.#targetBytes;
    return end + bytes <= most && (end < most * fullShare || bytes < most * littleShare);
  }

  async #create(metadata: ThriftStruct): Promise<OpenFile> {
    const name = this.#nextName();
    const file = await open(join(this.#folder, name), 'wx+');
    this.#current = { name, file, metadata, rowGroups: [], end: parquetHead.length, complete: false };
    await file.write(parquetHead, 0, parquetHead.length, 0);
    return this.#current;
  }

  async #copy(source: FileHandle, span: { start: number; end: number }, target: OpenFile): Promise<void> {
    this.#buffer ??= Buffer.allocUnsafe(copyBytes);
    const buffer = this.#buffer;
    for (let at = span.start; at < span.end; ) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(copyBytes, span.end - at), at);
      if (bytesRead === 0) throw new RangeError('A Parquet file ended inside a row group.');
      await writeAll(target.file, buffer.subarray(0, bytesRead), target.end + at - span.start);
      at += bytesRead;
    }
  }

  async #closeCurrent(): Promise<void> {
    const current = this.#current;
    if (current === null) return;
    const { name, file, rowGroups } = current;
    await complete(current);
    const { size } = await file.stat();
    await file.close();
    this.#current = null;
    this.#finished.push({
      name,
      partition: this.#partition,
      rows: countRows(rowGroups),
      bytes: size,
      columns: readStatistics(rowGroups),
    });
  }

  async #wake(): Promise<void> {
    const name = this.#resting;
    if (name === null) return;
    const file = await open(join(this.#folder, name), 'r+');
    try {
      const { metadata, rowGroups, dataEnd } = await readFooter(file);
      this.#current = { name, file, metadata, rowGroups: [...rowGroups], end: dataEnd, complete: true };
      this.#resting = null;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  #nextName(): string {
    const number = String(this.#count).padStart(5, '0');
    this.#count += 1;
    const codec = this.#compression === 'none' ? '' : `.${this.#compression}`;
    return `part-${number}-${this.#id}-c000${codec}.parquet`;
  }
}

async function complete(current: OpenFile): Promise<void> {
  if (current.complete) return;
  const { file, metadata, rowGroups, end } = current;
  const footer = encodeFooter(metadata, rowGroups);
  await writeAll(file, footer, end);
  await file.truncate(end + footer.length);
  current.complete = true;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
