import { createWriteStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { DeltaCallContext } from '../../core/delta.ts';
import type { DeltaDataFile, DeltaSnapshot, DeltaSource } from '../../core/delta-source.ts';
import { ArrowportError } from '../../errors.ts';
import type { TableRoot } from './locations.ts';
import type { WorkerTables } from './tables.ts';
import { isWireObject, readList, readNumber, readText, readTexts, WireValueError } from './wire-values.ts';
import type { WorkerClient } from './worker-client.ts';

/** Makes the Delta tables of a root readable for another engine. */
export function createDeltaSource(client: WorkerClient, root: TableRoot, tables: WorkerTables): DeltaSource {
  const rootFolder = isFolder(root.location.uri) ? root.location.uri : null;
  const folderOf = (table: string) => {
    const { uri } = root.table(table);
    return isFolder(uri) ? uri : null;
  };
  return {
    rootFolder,
    folderOf,
    async findVersion(table, moment, context) {
      const folder = folderOf(table);
      const wantsLatest = moment.version === undefined && moment.timestamp === undefined;
      const latest = wantsLatest && folder !== null ? await findLatest(folder) : null;
      if (latest !== null) return latest;
      const result = await client.call('version', root.table(table), { ...moment }, context, false);
      return readNumber(result, 'version');
    },
    async snapshot(table, version, context) {
      const result = await client.call('snapshot', root.table(table), { version }, context, false);
      return {
        version: readNumber(result, 'version'),
        id: readText(result, 'id'),
        columns: readTexts(result, 'columns'),
        partitions: readList(result, 'partitions').map(readPartition),
        files: result['files'] === null ? null : readList(result, 'files').map(readFile),
      } satisfies DeltaSnapshot;
    },
    async writeParquet(table, { version, rows }, path, context) {
      const { bytes } =
        typeof rows === 'string'
          ? await tables.read(
              table,
              { version, format: 'parquet', ...(rows === 'none' ? { limit: 0 } : {}) },
              context,
            )
          : await client.openRows('read-files', root.table(table), { version, paths: rows }, context);
      await pipeline(bytes, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    },
    async listNames(context: DeltaCallContext) {
      if (rootFolder === null) return (await tables.list(context)).map(({ name }) => name);
      return listFolders(rootFolder);
    },
  };
}

function isFolder(uri: string): boolean {
  return uri.startsWith('/') || /^[A-Za-z]:[\\/]/.test(uri);
}

/** The latest version by the names in the log; null where its files do not tell. */
async function findLatest(folder: string): Promise<number | null> {
  let names: readonly string[];
  try {
    names = await readdir(join(folder, '_delta_log'));
  } catch (cause) {
    throw new ArrowportError('TABLE_NOT_FOUND', 'There is no such Delta table.', { cause });
  }
  let latest = -1;
  for (const name of names) {
    const match = /^(\d{20})\.json$/.exec(name);
    if (match !== null) latest = Math.max(latest, Number(match[1]));
  }
  return latest < 0 ? null : latest;
}

async function listFolders(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    const log = await readdir(join(root, entry.name, '_delta_log')).catch(() => []);
    if (log.length > 0) found.push(entry.name);
  }
  return found.sort();
}

function readPartition(value: unknown): { readonly name: string; readonly type: string } {
  if (!isWireObject(value)) throw new WireValueError('partitions', 'list of objects');
  return { name: readText(value, 'name'), type: readText(value, 'type') };
}

function readFile(value: unknown): DeltaDataFile {
  if (!isWireObject(value)) throw new WireValueError('files', 'list of objects');
  const partition = readList(value, 'partition').map((text) => {
    if (text === null || typeof text === 'string') return text;
    throw new WireValueError('partition', 'list of texts');
  });
  return { path: readText(value, 'path'), partition, bytes: readNumber(value, 'bytes') };
}
