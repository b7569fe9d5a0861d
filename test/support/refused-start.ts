import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { repositoryRoot } from './repository.ts';
import type { CleanupOwner } from './temp-folder.ts';

/** How a start ended that came to nothing. */
export interface RefusedStart {
  readonly code: number | null;
  /** Everything it printed, without white space at its ends. */
  readonly text: string;
}

/** Runs `serve` in a folder, where it is to end by itself; ended with `owner` if it does not. */
export async function runRefusedStart(
  owner: CleanupOwner,
  folder: string,
  args: readonly string[] = [],
): Promise<RefusedStart> {
  const main = join(repositoryRoot, 'src', 'main.ts');
  const child = spawn(process.execPath, [main, 'serve', '--port', '0', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  owner.after(() => {
    child.kill('SIGKILL');
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text: text.trim() };
}
