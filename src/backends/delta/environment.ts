import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArrowportError } from '../../errors.ts';
import { type CommandOptions, type CommandOutcome, runCommand } from '../../processes/run-command.ts';

/** The worker's Python package; it runs from here and is not installed. */
export const workerFolder: string = fileURLToPath(new URL('./worker/', import.meta.url));

/** Where and with what the worker's environment is made. */
export interface WorkerEnvironmentOptions {
  /** Environments are kept here, one for each lock file and Python version. */
  readonly cacheFolder: string;
  /** The server's environment variables: PATH and the settings of pip and uv are taken from them. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A Python to use instead of looking for one. */
  readonly python?: string | null;
  /** Ends the making; the environment is then left unmade, and the call throws the signal's AbortError. */
  readonly signal?: AbortSignal;
  /** Called with a line for people when something that takes time begins. */
  onProgress?(line: string): void;
}

/** A Python with everything that the worker needs. */
export interface WorkerEnvironment {
  /** Path of the Python program. */
  readonly python: string;
  /** Whether it was made just now. */
  readonly created: boolean;
}

const PYTHON_NAMES = [
  'python3',
  'python',
  'python3.14',
  'python3.13',
  'python3.12',
  'python3.11',
  'python3.10',
];
const OLDEST_MINOR = 10;
const INSTALL_TIMEOUT_MS = 15 * 60_000;
const IMPORT_CHECK = 'import deltalake, arro3.io, obstore; print(deltalake.__version__)';

/**
 * Finds the worker's environment, or makes it from the lock file: with uv where there is one, else with venv and
 * pip. It is built beside its place and moved there, so a broken-off build is never used and processes that
 * build at the same time do not meet. Throws BACKEND_UNAVAILABLE with one line that says what to do.
 */
export async function ensureWorkerEnvironment(options: WorkerEnvironmentOptions): Promise<WorkerEnvironment> {
  const lockFile = join(workerFolder, 'requirements.lock');
  const lock = await readFile(lockFile);
  const given = options.python ?? null;
  if (given !== null && (await hasPackages(given, options))) return { python: given, created: false };
  const base = await findPython(options);
  const digest = createHash('sha256').update(lock).update(base.version).digest('hex').slice(0, 16);
  const folder = join(options.cacheFolder, `delta-worker-${digest}`);
  const python = pythonIn(folder);
  if (await exists(join(folder, 'complete'))) return { python, created: false };

  options.onProgress?.('Installing the Delta worker (delta-rs) into its own Python environment …');
  await mkdir(options.cacheFolder, { recursive: true });
  // A virtual environment must be made where it stays: its scripts hold its path. Only `bin/python` is used here,
  // and that finds its home from its own place, so moving the folder is safe.
  const building = join(options.cacheFolder, `.building-${digest}-${randomBytes(6).toString('hex')}`);
  try {
    await build(building, base.program, lockFile, options);
    await writeFile(join(building, 'complete'), '');
    await moveIntoPlace(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return { python, created: true };
}

async function moveIntoPlace(building: string, folder: string): Promise<void> {
  try {
    await rename(building, folder);
  } catch (error) {
    if (await exists(join(folder, 'complete'))) return;
    const aside = `${folder}.broken-${randomBytes(6).toString('hex')}`;
    await rename(folder, aside).catch(() => {});
    await rename(building, folder).catch(() => {
      throw error;
    });
    await rm(aside, { recursive: true, force: true });
  }
}

async function build(
  folder: string,
  basePython: string,
  lockFile: string,
  options: WorkerEnvironmentOptions,
): Promise<void> {
  const python = pythonIn(folder);
  if (await buildWithUv(folder, python, basePython, lockFile, options)) return;
  await rm(folder, { recursive: true, force: true });
  const made = await run(basePython, ['-m', 'venv', folder], options);
  if (made?.exitCode !== 0) {
    throw unavailable(
      'The Delta worker needs the venv module of Python: install it (Debian and Ubuntu: apt install python3-venv) or uv, then run `arrowport setup`.',
      made,
    );
  }
  const arguments_ = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-input',
    '--require-hashes',
    '--only-binary',
    ':all:',
  ];
  const installed = await run(python, [...arguments_, '-r', lockFile], options);
  if (installed?.exitCode !== 0 || !(await hasPackages(python, options))) {
    throw unavailable(
      "The Delta worker's packages could not be installed: check that pip reaches its package index, then run `arrowport setup`.",
      installed,
    );
  }
}

async function buildWithUv(
  folder: string,
  python: string,
  basePython: string,
  lockFile: string,
  options: WorkerEnvironmentOptions,
): Promise<boolean> {
  const environment = withUvSettings(options.environment);
  const uv = (args: string[]) => runCommand('uv', args, { ...runOptions(options), environment });
  const made = await uv(['venv', '--quiet', '--no-project', '--python', basePython, folder]);
  if (made?.exitCode !== 0) return false;
  const installed = await uv([
    ...[
      'pip',
      'install',
      '--quiet',
      '--python',
      python,
      '--require-hashes',
      '--no-build',
      '--link-mode',
      'copy',
    ],
    ...['-r', lockFile],
  ]);
  return installed?.exitCode === 0 && (await hasPackages(python, options));
}

/** pip's settings under the names that uv reads; uv's own win. */
function withUvSettings(environment: Readonly<Record<string, string | undefined>>) {
  return {
    UV_DEFAULT_INDEX: environment['PIP_INDEX_URL'],
    UV_INDEX: environment['PIP_EXTRA_INDEX_URL'],
    UV_FIND_LINKS: environment['PIP_FIND_LINKS'],
    SSL_CERT_FILE: environment['PIP_CERT'],
    ...environment,
  };
}

interface BasePython {
  readonly program: string;
  /** Version and machine, as in `3.12.1-linux-x86_64`. */
  readonly version: string;
}

async function findPython(options: WorkerEnvironmentOptions): Promise<BasePython> {
  const candidates = options.python ? [options.python] : PYTHON_NAMES;
  let tooOld: string | undefined;
  for (const program of candidates) {
    const probe =
      'import sys, sysconfig; print("%d.%d.%d-%s" % (*sys.version_info[:3], sysconfig.get_platform()))';
    const outcome = await run(program, ['-c', probe], options);
    const version = outcome?.exitCode === 0 ? outcome.stdout.trim() : '';
    const match = /^3\.(\d+)\./.exec(version);
    if (match === null) continue;
    if (Number(match[1]) >= OLDEST_MINOR) return { program, version };
    tooOld ??= version.split('-')[0];
  }
  const found = tooOld === undefined ? 'none was found' : `only ${tooOld} was found`;
  throw unavailable(
    `The Delta worker needs Python 3.${OLDEST_MINOR} or newer, ${found}: install it and put it on the PATH, then run \`arrowport setup\`.`,
  );
}

async function hasPackages(python: string, options: WorkerEnvironmentOptions): Promise<boolean> {
  const outcome = await run(python, ['-I', '-c', IMPORT_CHECK], options);
  return outcome?.exitCode === 0;
}

function run(
  program: string,
  args: readonly string[],
  options: WorkerEnvironmentOptions,
): Promise<CommandOutcome | undefined> {
  return runCommand(program, args, runOptions(options));
}

function runOptions({ environment, signal }: WorkerEnvironmentOptions): CommandOptions {
  return { environment, timeoutMs: INSTALL_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
}

function unavailable(message: string, outcome?: CommandOutcome): ArrowportError {
  const cause = outcome === undefined ? undefined : new Error(outcome.stderr.slice(-2000));
  return new ArrowportError('BACKEND_UNAVAILABLE', message, cause === undefined ? {} : { cause });
}

function pythonIn(folder: string): string {
  return join(folder, 'bin', 'python');
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
