#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { cacheFolder } from './config/cache-folder.ts';

// Half of a start is reading the sources. A folder that cannot be written is passed over.
enableCompileCache(join(cacheFolder(process.env), 'compiled'));

// DuckDB's statements, codecs and files share libuv's threads, of which four would make them wait for each other.
// The pool reads this when it is first used, which is after this line.
process.env['UV_THREADPOOL_SIZE'] ??= '16';

// V8 otherwise starts a full collection with each 64 MB of buffers, pooled ones too: that took up to half of a load's time.
setFlagsFromString('--external-memory-accounted-in-global-limit');

// A token on the command line is not for everyone who lists the processes of the machine.
if (process.argv.some((argument) => argument.startsWith('--token'))) process.title = 'arrowport';

// A reader that leaves early (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

// Only what is imported from here on is cached.
const { runCli } = await import('./cli/cli.ts');
process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
