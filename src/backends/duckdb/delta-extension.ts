import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ArrowportError } from '../../errors.ts';
import { runCommand } from '../../processes/run-command.ts';

/** The DuckDB that the extension was built for: the one of this project. */
const duckdbVersion = 'v1.5.5';
const installTimeoutMs = 10 * 60_000;

/** Where DuckDB's delta extension is kept, and what it is made from. */
export interface DeltaExtensionPlace {
  readonly cacheFolder: string;
  /** The lock file that names the wheel with its hashes. */
  readonly lockFile: string;
}

/** The extension's file where it was installed; null where it was not. */
export async function findDeltaExtension(place: DeltaExtensionPlace): Promise<string | null> {
  const path = extensionIn(await folderOf(place));
  return (await exists(path)) ? path : null;
}

/**
 * Installs DuckDB's delta extension from its wheel on a Python package index, unless it is there. Returns the path of its
 * file. Throws BACKEND_UNAVAILABLE with one line that says what to do.
 */
export async function installDeltaExtension(
  place: DeltaExtensionPlace,
  python: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const folder = await folderOf(place);
  const path = extensionIn(folder);
  if (await exists(path)) return path;
  const building = join(place.cacheFolder, `.building-${randomBytes(6).toString('hex')}`);
  await mkdir(place.cacheFolder, { recursive: true });
  try {
    await install(building, place.lockFile, python, environment);
    await rename(building, folder).catch(async (error: unknown) => {
      if (!(await exists(path))) throw error;
    });
    return path;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function install(
  folder: string,
  lockFile: string,
  python: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const options = { environment, timeoutMs: installTimeoutMs };
  const wanted = ['--quiet', '--no-deps', '--require-hashes', '--target', folder, '-r', lockFile];
  const withPip = ['-m', 'pip', 'install', '--no-input', '--only-binary', ':all:', ...wanted];
  const piped = await runCommand(python, withPip, options);
  if (piped?.exitCode === 0 && (await exists(extensionIn(folder)))) return;
  await rm(folder, { recursive: true, force: true });
  const byUv = await runCommand(
    'uv',
    ['pip', 'install', '--python', python, '--no-build', ...wanted],
    options,
  );
  if (byUv?.exitCode === 0 && (await exists(extensionIn(folder)))) return;
  throw new ArrowportError(
    'BACKEND_UNAVAILABLE',
    "DuckDB's delta extension could not be installed: check that pip reaches its package index; Delta tables are read without it meanwhile.",
    { cause: new Error((byUv ?? piped)?.stderr.slice(-2000)) },
  );
}

async function folderOf({ cacheFolder, lockFile }: DeltaExtensionPlace): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(lockFile))
    .update(process.platform + process.arch);
  return join(cacheFolder, `duckdb-delta-${digest.digest('hex').slice(0, 16)}`);
}

function extensionIn(folder: string): string {
  return join(folder, 'duckdb_extension_delta', 'extensions', duckdbVersion, 'delta.duckdb_extension');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
