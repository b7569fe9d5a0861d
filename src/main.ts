#!/usr/bin/env node
import { runCli } from './cli/cli.ts';

// DuckDB's statements, codecs and files share libuv's threads, of which four would make them wait for each other.
// The pool reads this when it is first used, which is after this line.
process.env['UV_THREADPOOL_SIZE'] ??= '16';

// A token on the command line is not for everyone who lists the processes of the machine.
if (process.argv.some((argument) => argument.startsWith('--token'))) process.title = 'arrowport';

// A reader that leaves early (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
});
