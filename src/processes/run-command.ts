import { spawn } from 'node:child_process';

/** How a command ended. */
export interface CommandOutcome {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  /** The last 64 KiB. */
  readonly stderr: string;
}

/** How a command is run. */
export interface CommandOptions {
  /** The whole environment of the command. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingFolder?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const KEPT_CHARACTERS = 64 * 1024;

/** Runs a program to its end, without a shell. Resolves to undefined when there is no such program. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...options.environment },
      cwd: options.workingFolder,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: options.signal,
    });
    // Not spawn's own timeout: its timer stays behind when there is no such program.
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
    let stdout = '';
    let stderr = '';
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    // Without file descriptors left there are no pipes, whatever the types say.
    const { stdout: output, stderr: errors }: Partial<typeof child> = child;
    output?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    errors?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-KEPT_CHARACTERS);
    });
    child.once('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout, stderr });
    });
  });
}
