import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './repository.ts';

/** How a Python program ended. `code` is `null` when a signal ended it. */
export interface PythonResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Settings of one run of Python. */
export interface PythonOptions {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed; nothing by default. */
  readonly input?: string | Uint8Array;
  /** Milliseconds after which the program is killed and the call rejects; four minutes by default. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
}

/** The Python with the packages of `test/requirements.lock`, made on first need; `undefined` where there is none. */
export const testPython: string | undefined = findTestPython();

/** The `skip` option of a test that needs Python: the reason where there is none, else `false`. */
export const skipWithoutPython: string | false =
  testPython === undefined ? 'no Python 3.11 to 3.13 with venv was found' : false;

function findTestPython(): string | undefined {
  const chosen = process.env['ARROWPORT_TEST_PYTHON'];
  if (chosen) return chosen;
  const setup = spawnSync(process.execPath, [join(repositoryRoot, 'scripts/setup.mjs'), '--with-python'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (setup.status !== 0) throw new Error('scripts/setup.mjs --with-python failed; its message is above.');
  const python = join(repositoryRoot, '.venv-test', 'bin', 'python');
  return existsSync(python) ? python : undefined;
}

/**
 * Arguments that run Python source, or a script. A program that came to its end leaves at once: the threads of Arrow's
 * and delta-rs' readers sometimes abort an interpreter that is being taken down ("terminate called without an active
 * exception").
 */
export function pythonArguments(program: string): readonly string[] {
  const isScript = program.endsWith('.py') && !program.includes('\n');
  const run = isScript
    ? `import runpy
del sys.argv[0]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")`
    : 'exec(compile(sys.argv.pop(1), "<string>", "exec"))';
  const leave = `import os, sys, threading
${run}
threading._shutdown()
sys.stdout.flush(), sys.stderr.flush()
os._exit(0)`;
  return ['-c', leave, program];
}

/**
 * Runs a Python program with the test packages and waits for its end.
 * `program` is a path that ends in `.py`, or else the source itself. A non-zero exit is an answer, not an error.
 */
export function runPython(
  program: string,
  args: readonly string[] = [],
  options: PythonOptions = {},
): Promise<PythonResult> {
  if (testPython === undefined) return Promise.reject(new Error('There is no Python to run.'));
  const child = spawn(testPython, ['-X', 'utf8', ...pythonArguments(program), ...args], {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    const timeoutMs = options.timeoutMs ?? 240_000;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A program that ends without reading its input breaks the pipe; its exit code tells more.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (timedOut) reject(new Error(`Python did not end within ${timeoutMs} ms:\n${stderr}`));
      else resolve({ stdout, stderr, code });
    });
    child.stdin.end(options.input);
  });
}

/** Runs a Python program that must succeed, and parses the last line it prints as JSON. */
export async function runPythonJson<T>(
  program: string,
  args: readonly string[] = [],
  options: PythonOptions = {},
): Promise<T> {
  const result = await runPython(program, args, options);
  if (result.code !== 0) throw new Error(`Python ended with ${result.code}:\n${result.stderr}`);
  const lastLine = result.stdout.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(lastLine) as T;
}
