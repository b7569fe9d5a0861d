import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { runPython, testPython } from './python.ts';
import { repositoryRoot } from './repository.ts';

/** How a table made in Python becomes bytes. */
export interface ArrowBytesOptions {
  /** `stream` by default. */
  readonly format?: 'stream' | 'file';
  /** Compression of the IPC buffers; none by default. */
  readonly codec?: 'zstd' | 'lz4';
  /** Most rows of one record batch; as the table has them by default. */
  readonly batchRows?: number;
}

const cacheFolder = join(repositoryRoot, 'node_modules', '.cache', 'arrowport-test');

const writerSource = `
import sys
_target, _format, _codec, _batch_rows = sys.argv[1:5]
_options = pa.ipc.IpcWriteOptions(compression=_codec or None)
_make = pa.ipc.new_stream if _format == 'stream' else pa.ipc.new_file
with _make(_target, table.schema, options=_options) as _writer:
    _writer.write_table(table, max_chunksize=int(_batch_rows) if _batch_rows else None)
`;

/**
 * The Arrow IPC bytes of a table that PyArrow makes. `source` is Python that sets `table` (a `pyarrow.Table`);
 * `pa` and `np` are imported. Made once for one source and kept in a cache under `node_modules`.
 */
export async function arrowBytes(source: string, options: ArrowBytesOptions = {}): Promise<Buffer> {
  const program = `import numpy as np\nimport pyarrow as pa\nimport pyarrow.ipc\n${source}\n${writerSource}`;
  const args = [options.format ?? 'stream', options.codec ?? '', String(options.batchRows ?? '')];
  const key = createHash('sha256')
    .update(JSON.stringify([testPython, program, args]))
    .digest('hex')
    .slice(0, 32);
  const path = join(cacheFolder, `${key}.arrow`);
  const cached = readIfPresent(path);
  if (cached !== undefined) return cached;
  mkdirSync(cacheFolder, { recursive: true });
  const draft = `${path}.${process.pid}`;
  const result = await runPython(program, [draft, ...args]);
  if (result.code !== 0) throw new Error(`PyArrow could not make the table:\n${result.stderr}`);
  renameSync(draft, path);
  return readFileSync(path);
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
