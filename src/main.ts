#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { cacheFolder } from './config/cache-folder.ts';

// A crowd of small batches has V8's young generation grow to 128 MB, on top of all limits and to no one's good. V8 takes
// its size only at its start: a server starts again in its own place (which Windows does not have).
const youngGeneration = '--max-semi-space-size';
const isSized = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((option) =>
  option.includes(youngGeneration),
);
if (process.argv[2] === 'serve' && !isSized && process.platform !== 'win32') {
  const options = [...process.execArgv, `${youngGeneration}=8`];
  process.execve?.(process.execPath, [process.execPath, ...options, ...process.argv.slice(1)]);
}

// Half of a start is reading the sources. A folder that cannot be written is passed over.
enableCompileCache(join(cacheFolder(process.env), 'compiled'));

// DuckDB's statements, codecs and files share libuv's threads, of which four would make them wait for each other: queries
// take up to 24 for as long as they run. The pool reads this when it is first used, which is after this line.
process.env['UV_THREADPOOL_SIZE'] ??= '40';

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
