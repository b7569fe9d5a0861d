import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/cli.ts';
import type { TerminalStream } from '../../src/cli/host.ts';

const pageWidth = 100;

/** The page of the command line: the help text of every command, as the command itself prints it. */
export function renderCliPage(): string {
  const program = createCapturedProgram();
  const sections = program.commands
    .flatMap((command) => [command, ...command.commands])
    .filter((command) => command.name() !== 'help')
    .map((command) => `## ${fullName(command)}\n\n\`\`\`text\n${readHelp(command)}\n\`\`\`\n`);
  return [intro, ...sections].join('\n');
}

/** `arrowport delta read` for `read`. */
function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

const captured: string[] = [];

function createCapturedProgram(): Command {
  const stream = { columns: pageWidth, write: (text: string) => captured.push(text) > 0 };
  // Only what printing help uses of a terminal.
  const terminal = stream as unknown as TerminalStream;
  return createProgram({
    argv: [],
    env: {},
    cwd: '/',
    stdin: Readable.from([]),
    stdout: terminal,
    stderr: terminal,
  });
}

function readHelp(command: Command): string {
  captured.length = 0;
  command.outputHelp();
  return captured.join('').trim();
}

const intro = `# Command line

<!-- Made by \`npm run generate\` from src/cli/. -->

\`arrowport COMMAND\`, or \`npx arrowport COMMAND\` where it is a dependency. \`arrowport help COMMAND\` and
\`arrowport COMMAND --help\` print what stands here.

| exit code | means |
|---|---|
| 0 | done |
| 1 | refused: by the server, or because a file or an answer is not what it should be |
| 2 | the command line itself is wrong |
| 3 | the server cannot be reached |

An error is one line on standard error that says what to do; with \`--json\` it is one JSON problem there
(\`code\`, \`detail\`, and whatever else the server's own problem says). Results go to standard output: tables and
colour on a terminal, tab-separated lines with a header elsewhere, JSON with \`--json\`. \`NO_COLOR\` turns colour off.

| variable | stands for |
|---|---|
| \`ARROWPORT_URL\` | \`--url\` |
| \`ARROWPORT_TOKEN\` | \`--token\` |
| \`ARROWPORT_COMPRESSION\` | the compression that \`ingest\` sends with where \`--compression\` is not given |
| \`ARROWPORT_CACHE\` | the folder that \`setup\` and the server keep the Delta worker's Python environment in; default: \`arrowport\` in \`XDG_CACHE_HOME\`, else in \`~/.cache\` |

The variables of the server are in [config.md](config.md).

\`ingest\` tells what a file is by its first bytes, then by its name. Arrow streams and files pass through message by
message unless \`--batch-rows\` or \`--compression\` ask for another form; then dictionaries and run-end-encoded columns
are written as their values. DuckDB reads Parquet, CSV, NDJSON and arrays of JSON objects; from standard input these
are kept in a temporary file while they are sent. All files of one call are one load, so they must have the same columns. A load is sent again,
up to \`--retries\` times, when nothing of it was written, or when its \`--idempotency-key\` keeps it from being written
twice; an Arrow stream from standard input cannot be sent again. LZ4 frames are written without a level.
`;
