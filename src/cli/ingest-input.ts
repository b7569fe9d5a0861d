import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openIpcBody } from '../arrow/ipc-reader.ts';
import type { ArrowResult, BatchSize } from '../backends/duckdb/arrow-result.ts';
import type { FileReader, TableFileFormat } from '../backends/duckdb/file-reader.ts';
import type { StreamResources } from '../core/ingest.ts';
import type { IpcStream } from '../core/ipc-message.ts';
import type { ArrowSchema } from '../core/schema.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import type { ColumnTypes } from './ingest-column-types.ts';

export const inputFormats = ['arrow', 'parquet', 'csv', 'ndjson'] as const;

/** What an input is; `arrow` is an IPC stream or file (Feather v2), which its first bytes tell apart. */
export type InputFormat = (typeof inputFormats)[number];

interface InputBase {
  /** The file as it was named, or `standard input`. */
  readonly name: string;
  readonly schema: ArrowSchema;
  /** Whether `open` may be called again, for a retry. */
  readonly rereadable: boolean;
}

export interface ArrowInput extends InputBase {
  readonly kind: 'arrow';
  /** The schema's own message, for whoever passes the stream on as it is. */
  readonly schemaMetadata: Uint8Array;
  open(): Promise<IpcStream>;
}

export interface TableInput extends InputBase {
  readonly kind: 'table';
  open(size: BatchSize): Promise<ArrowResult>;
}

/** One thing to send. */
export type IngestInput = ArrowInput | TableInput;

/** The inputs of one load, with what they hold open. */
export interface IngestInputs {
  readonly inputs: readonly IngestInput[];
  /** How much of the inputs is read, 0 to 1; undefined where that cannot be told. */
  findProgress(): number | undefined;
  close(): Promise<void>;
}

const standardInput = 'standard input';
const sniffedBytes = 64;

/** Local files are trusted with memory: the server keeps its own limits. */
const resources: StreamResources = {
  allocator: { allocate: (length) => ({ bytes: Buffer.allocUnsafeSlow(length), release: () => undefined }) },
  limits: { maxMessageBytes: Number.MAX_SAFE_INTEGER, maxDecompressedRatio: Number.MAX_SAFE_INTEGER },
};

/** How inputs are read. */
export interface InputOptions {
  /** What they are, whatever their bytes and names tell. */
  readonly format: InputFormat | undefined;
  /** Asked for once, when an input is text. */
  findColumnTypes(): Promise<ColumnTypes>;
}

/** Finds out what each file is and reads its schema. Throws a failure that names the file. */
export async function openInputs(
  files: readonly string[],
  options: InputOptions,
  host: CliHost,
): Promise<IngestInputs> {
  const opener = new InputOpener(options, host);
  try {
    const inputs: IngestInput[] = [];
    for (const file of files) inputs.push(await opener.open(file));
    const isMeasured = inputs.every((input) => input.kind === 'arrow' && input.rereadable);
    return {
      inputs,
      findProgress: () => (isMeasured ? opener.readBytes / opener.totalBytes : undefined),
      close: () => opener.close(),
    };
  } catch (error) {
    await opener.close();
    throw error;
  }
}

class InputOpener {
  /** Of the files that are read here, not by DuckDB. */
  totalBytes = 0;
  readBytes = 0;
  readonly #options: InputOptions;
  readonly #host: CliHost;
  #reader: FileReader | undefined;
  #folder: string | undefined;
  #columnTypes: Promise<ColumnTypes> | undefined;

  constructor(options: InputOptions, host: CliHost) {
    this.#options = options;
    this.#host = host;
  }

  async open(file: string): Promise<IngestInput> {
    if (file === '-') return this.#openStandardInput();
    const path = resolve(this.#host.cwd, file);
    const start = await readStart(path, file);
    const format = this.#options.format ?? findFormat(start, file);
    if (format === undefined) throw unknownFormat(file);
    if (format !== 'arrow') return this.#openTable(file, path, format);
    const openStream = () => openArrow(this.#readFile(path), file);
    const { schema, schemaMetadata, messages } = await openStream();
    await messages[Symbol.asyncIterator]().return?.();
    this.totalBytes += (await stat(path)).size;
    this.readBytes = 0;
    return { kind: 'arrow', name: file, schema, schemaMetadata, rereadable: true, open: openStream };
  }

  async close(): Promise<void> {
    this.#reader?.close();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  async *#readFile(path: string): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      this.readBytes += chunk.length;
      yield chunk;
    }
  }

  async #openStandardInput(): Promise<IngestInput> {
    const { start, chunks } = await peek(this.#host.stdin);
    if (start.length === 0) throw new CliFailure('refused', 'standard input is empty: pipe a file into it');
    const format = this.#options.format ?? findFormat(start, '');
    if (format === undefined) throw unknownFormat(standardInput);
    if (format === 'arrow') {
      const stream = await openArrow(chunks, standardInput);
      const { schema, schemaMetadata } = stream;
      const open = async () => stream;
      return { kind: 'arrow', name: standardInput, schema, schemaMetadata, rereadable: false, open };
    }
    // DuckDB reads files: Parquet from its end, and text more than once.
    this.#folder = await mkdtemp(join(tmpdir(), 'arrowport-ingest-'));
    const path = join(this.#folder, `input.${format}`);
    await pipeline(chunks, createWriteStream(path));
    return this.#openTable(standardInput, path, format);
  }

  #findColumnTypes(): Promise<ColumnTypes> {
    this.#columnTypes ??= this.#options.findColumnTypes();
    return this.#columnTypes;
  }

  async #openTable(name: string, path: string, format: TableFileFormat): Promise<TableInput> {
    const { createFileReader } = await import('../backends/duckdb/file-reader.ts');
    this.#reader ??= await createFileReader();
    const reader = this.#reader;
    const types = format === 'parquet' ? new Map<string, string>() : await this.#findColumnTypes();
    const file = { path, format, types };
    const schema = await reader.readSchema(file).catch((error) => {
      throw unreadable(name, error);
    });
    return {
      kind: 'table',
      name,
      schema,
      rereadable: true,
      open: (size) => reader.openFile(file, size),
    };
  }
}

/** An input that cannot be read, as the failure that ends the command. */
export function unreadable(name: string, error: unknown): CliFailure {
  if (error instanceof CliFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  // DuckDB says what is wrong in the first paragraph, and then all its settings.
  const [reason] = text.split('\n\n');
  return new CliFailure('refused', `${name} cannot be read: ${reason}`, { cause: error });
}

async function openArrow(chunks: AsyncIterable<Uint8Array>, name: string): Promise<IpcStream> {
  return openIpcBody(chunks, 'sniff', resources).catch((error) => {
    throw unreadable(name, error);
  });
}

async function readStart(path: string, file: string): Promise<Buffer> {
  try {
    if ((await stat(path)).isDirectory())
      throw new CliFailure('refused', `${file} is a directory: name its files`);
    await using handle = await open(path);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(sniffedBytes), 0, sniffedBytes, 0);
    if (bytesRead === 0) throw new CliFailure('refused', `${file} is empty: leave it out`);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') throw new CliFailure('refused', `there is no file ${file}: check the path`);
    if (code === 'EACCES')
      throw new CliFailure('refused', `not allowed to open ${file}: check its permissions`);
    throw unreadable(file, error);
  }
}

const formatOfExtension: Readonly<Record<string, InputFormat>> = {
  '.arrow': 'arrow',
  '.arrows': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.parquet': 'parquet',
  '.pq': 'parquet',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'ndjson',
};

/** The format by the first bytes, else by the name's ending (under that of a compressed file). */
function findFormat(start: Buffer, name: string): InputFormat | undefined {
  const magic = start.toString('latin1', 0, 6);
  if (magic === 'ARROW1' || magic.startsWith('\xff\xff\xff\xff') || magic.startsWith('FEA1')) return 'arrow';
  if (magic.startsWith('PAR1') || magic.startsWith('PARE')) return 'parquet';
  const plainName = name.replace(/\.(gz|zst)$/i, '');
  const byName = formatOfExtension[extname(plainName).toLowerCase()];
  if (byName !== undefined) return byName;
  return /^\s*(\{|\[\s*\{)/.test(start.toString('utf8')) ? 'ndjson' : undefined;
}

function unknownFormat(name: string): CliFailure {
  return new CliFailure(
    'refused',
    `cannot tell what ${name} is: say it with --format ${inputFormats.join('|')}`,
  );
}

/** Looks at the first bytes of a stream; `chunks` has them too. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ start: Buffer; chunks: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  let length = 0;
  while (length < sniffedBytes) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    read.push(value);
    length += value.length;
  }
  async function* replay(): AsyncGenerator<Uint8Array> {
    yield* read.splice(0);
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { start: Buffer.concat(read).subarray(0, sniffedBytes), chunks: replay() };
}
