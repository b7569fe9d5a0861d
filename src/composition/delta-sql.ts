import { join } from 'node:path';
import type { DeltaBackend } from '../backends/delta/backend.ts';
import { workerFolder } from '../backends/delta/environment.ts';
import type { DuckDbBackend } from '../backends/duckdb/backend.ts';
import type { DatabaseOptions } from '../backends/duckdb/database.ts';
import { findDeltaExtension, installDeltaExtension } from '../backends/duckdb/delta-extension.ts';
import { createDeltaRelations } from '../backends/duckdb/delta-relations.ts';
import type { RelationSource } from '../backends/duckdb/query/relation-source.ts';
import { cacheFolder } from '../config/cache-folder.ts';
import type { Config } from '../config/schema.ts';
import { absoluteTablePath } from './migrate.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What reading Delta tables in SQL takes of a server. */
export interface DeltaSqlOptions {
  openDuckDb(): Promise<DuckDbBackend>;
  openDelta(): Promise<DeltaBackend>;
}

/** Makes Delta tables readable in SQL; nothing is opened before a statement names one. */
export function createDeltaSql(options: DeltaSqlOptions): RelationSource {
  return createDeltaRelations({
    host: { open: async () => (await options.openDuckDb()).queryHost.open() },
    source: async () => (await options.openDelta()).source,
  });
}

/**
 * The database's options, with what reading Delta tables in SQL needs of it: their folder within reach, and DuckDB's delta
 * extension where it was installed. Both must be known when the database is opened.
 */
export async function withDeltaReading(config: Config, environment: Environment): Promise<DatabaseOptions> {
  const folder = absoluteTablePath(config.delta_config.table_path);
  if (folder.includes('://')) return config;
  const extension = await findDeltaExtension(extensionPlace(environment));
  return {
    ...config,
    readable_folders: [folder],
    optional_extensions: extension === null ? [] : [extension],
  };
}

/** Installs DuckDB's delta extension where the server looks for it. Throws BACKEND_UNAVAILABLE. */
export function setUpDeltaExtension(python: string, environment: Environment): Promise<string> {
  return installDeltaExtension(extensionPlace(environment), python, environment);
}

function extensionPlace(environment: Environment) {
  return {
    cacheFolder: cacheFolder(environment),
    lockFile: join(workerFolder, 'duckdb-extension.lock'),
  };
}
