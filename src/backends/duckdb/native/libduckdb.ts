import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi, { type IKoffiLib } from 'koffi';

const libraryNames: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'libduckdb.dylib',
  win32: 'duckdb.dll',
};
let loaded: IKoffiLib | undefined;

/** The DuckDB library that @duckdb/node-api runs on, opened once for calls of functions it does not bind. */
export function loadLibduckdb(): IKoffiLib {
  loaded ??= koffi.load(findLibduckdb());
  return loaded;
}

function findLibduckdb(): string {
  const requireHere = createRequire(import.meta.url);
  const requireApi = createRequire(requireHere.resolve('@duckdb/node-api'));
  const requireBindings = createRequire(requireApi.resolve('@duckdb/node-bindings'));
  const name = libraryNames[process.platform] ?? 'libduckdb.so';
  for (const variant of ['', '-musl']) {
    const manifest = `@duckdb/node-bindings-${process.platform}-${process.arch}${variant}/package.json`;
    try {
      const path = join(dirname(requireBindings.resolve(manifest)), name);
      if (existsSync(path)) return path;
    } catch {
      // Not installed for this platform.
    }
  }
  throw new Error(`DuckDB has no library for ${process.platform}-${process.arch}: reinstall the packages.`);
}
