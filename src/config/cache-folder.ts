import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The folder for what can be made again, such as worker environments: ARROWPORT_CACHE, else `arrowport` in XDG_CACHE_HOME, else
 * `~/.cache/arrowport`. An XDG_CACHE_HOME that is no absolute path is passed over, as its specification says.
 */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const named = env['ARROWPORT_CACHE'];
  if (named) return named;
  const xdg = env['XDG_CACHE_HOME'];
  if (xdg && isAbsolute(xdg)) return join(xdg, 'arrowport');
  return join(env['HOME'] || homedir(), '.cache', 'arrowport');
}
