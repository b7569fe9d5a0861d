// Brings node_modules, and on request the Python of the tests, in line with their lock files.
// Runs before `npm start` and `npm test` on any Node from 18 on, hence plain JavaScript without dependencies.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const lockFile = join(root, '.setup-lock');
const lockPatienceMs = 10 * 60_000;
const venvFolder = join(root, '.venv-test');
const venvPython = join(venvFolder, 'bin', 'python');
const venvStamp = join(venvFolder, 'requirements.sha256');
const requirementsLock = join(root, 'test', 'requirements.lock');
const pythonCandidates = ['python3.11', 'python3.12', 'python3.13', 'python3'];
const pythonProbe =
  'import sys, venv, ensurepip; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else 1)';

class SetupError extends Error {}

const nodePackage = `node-${process.platform}-${process.arch}`;

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

// npm records what it installed in node_modules/.package-lock.json: comparing that with the lock file notices a
// changed lock, an interrupted install and an install without development packages alike.
function packagesAreCurrent() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const present = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (wanted === undefined || present === undefined) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const installed = present[path];
    const mayBeAbsent = entry.optional === true && path !== `node_modules/${nodePackage}`;
    if (installed === undefined ? !mayBeAbsent : installed.version !== entry.version) return false;
  }
  return Object.keys(present).every((path) => path in wanted);
}

function requirementsHash() {
  return createHash('sha256').update(readFileSync(requirementsLock)).digest('hex');
}

function pythonIsCurrent() {
  if (process.env.ARROWPORT_TEST_PYTHON) return true;
  return (
    existsSync(venvPython) &&
    existsSync(venvStamp) &&
    readFileSync(venvStamp, 'utf8').trim() === requirementsHash()
  );
}

function run(command, args, { quietFailure = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => (quietFailure ? resolve(false) : reject(new SetupError(error.message))));
    child.on('close', (code) => {
      if (code === 0) resolve(true);
      else if (quietFailure) resolve(false);
      else
        reject(
          new SetupError(`\`${[command, ...args].join(' ')}\` failed (exit ${code}):\n${output.trim()}`),
        );
    });
  });
}

async function step(title, work) {
  const startedAt = Date.now();
  process.stderr.write(`setup: ${title} …`);
  try {
    await work();
  } catch (error) {
    process.stderr.write(' failed\n');
    throw error;
  }
  process.stderr.write(` done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

async function installPackages() {
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const npmScript = process.env.npm_execpath;
  const npmNode = process.env.npm_node_execpath ?? process.execPath;
  // A registry that stalls is asked again after half a minute rather than five; what the cache holds is not fetched anew.
  const options = ['--prefer-offline', '--fetch-timeout=30000', '--fetch-retries=4', '--loglevel=error'];
  if (npmScript?.endsWith('.js')) await run(npmNode, [npmScript, ...args, ...options]);
  else await run('npm', [...args, ...options]);
  if (!packagesAreCurrent()) {
    throw new SetupError('npm ci ended well, but node_modules does not match package-lock.json.');
  }
}

function checkNode() {
  if (existsSync(join(root, 'node_modules', '.bin', 'node'))) return;
  if (Number(process.versions.node.split('.')[0]) >= 24) return;
  throw new SetupError(
    `there is no Node 24 on npm for ${process.platform} ${process.arch}: ` +
      `install Node 24 or later yourself (this is ${process.version}).`,
  );
}

async function findPython() {
  for (const candidate of pythonCandidates) {
    if (await run(candidate, ['-c', pythonProbe], { quietFailure: true })) return candidate;
  }
  return undefined;
}

async function makePythonEnvironment() {
  const python = await findPython();
  if (python === undefined) {
    const text = 'no Python 3.11 to 3.13 with venv was found';
    if (process.env.CI) throw new SetupError(`${text}; the tests need one.`);
    process.stderr.write(`setup: ${text}: tests that need it will be skipped\n`);
    return;
  }
  await step('Python packages for the tests (about half a minute)', async () => {
    rmSync(venvFolder, { recursive: true, force: true });
    await run(python, ['-m', 'venv', venvFolder]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps'];
    await run(venvPython, [...pip, '--only-binary=:all:', '--require-hashes', '-r', requirementsLock]);
    writeFileSync(venvStamp, `${requirementsHash()}\n`);
  });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function takeLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = existsSync(lockFile) ? Number(readFileSync(lockFile, 'utf8')) : 0;
  if (holder > 0 && !isAlive(holder)) rmSync(lockFile, { force: true });
  return false;
}

// Two commands started together must not install into one folder: the second waits, then finds the work done.
async function withLock(work) {
  const deadline = Date.now() + lockPatienceMs;
  while (!takeLock()) {
    if (Date.now() > deadline)
      throw new SetupError(`another setup holds ${lockFile}; if none runs, delete it.`);
    await sleep(100);
  }
  try {
    await work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

const withPython = process.argv.includes('--with-python');

try {
  const isCurrent = () => packagesAreCurrent() && (!withPython || pythonIsCurrent());
  if (!isCurrent()) {
    await withLock(async () => {
      if (!packagesAreCurrent()) await step('npm packages (about ten seconds)', installPackages);
      if (withPython && !pythonIsCurrent()) await makePythonEnvironment();
    });
  }
  checkNode();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
}
