import { Command, CommanderError } from 'commander';
import { packageVersion } from '../config/package-version.ts';
import { ArrowportError } from '../errors.ts';
import { registerCheckCommand } from './check-command.ts';
import { registerDeltaCommand } from './delta-command.ts';
import { CliFailure, CommandRefused, exitCodes } from './failure.ts';
import type { CliHost } from './host.ts';
import { registerIngestCommand } from './ingest-command.ts';
import { registerMigrateCommand } from './migrate-command.ts';
import { oneLine, paint, writeJson } from './output.ts';
import { registerQueryCommand } from './query-command.ts';
import { registerSchemaCommand } from './schema-command.ts';
import { registerServeCommand } from './serve-command.ts';
import { registerSetupCommand } from './setup-command.ts';
import { registerStreamsCommand } from './streams-command.ts';
import { registerTokenCommand } from './token-command.ts';
import { registerVersionCommand } from './version-command.ts';

/** Adds one command to the program. A new command is one file with such a function and a line in `commands`. */
export type RegisterCommand = (program: Command, host: CliHost) => void;

/** Characters that are quoted of what the engine said. */
const longestReason = 300;

const commands: readonly RegisterCommand[] = [
  registerServeCommand,
  registerCheckCommand,
  registerIngestCommand,
  registerStreamsCommand,
  registerQueryCommand,
  registerDeltaCommand,
  registerMigrateCommand,
  registerSchemaCommand,
  registerSetupCommand,
  registerTokenCommand,
  registerVersionCommand,
];

/** Builds the command tree; nothing runs until it is parsed. */
export function createProgram(host: CliHost): Command {
  const program = new Command('arrowport')
    .description('Lands Arrow data: streams in over HTTP and Arrow Flight, durable tables out.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    // What follows a command is its own: `delta read --version 3` does not ask for the program's version.
    .enablePositionalOptions()
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      // Usage errors are printed once, in one line, by runCli.
      outputError: () => undefined,
      getOutHelpWidth: () => host.stdout.columns ?? 100,
      getErrHelpWidth: () => host.stderr.columns ?? 100,
      getOutHasColors: () => host.stdout.isTTY === true && !host.env['NO_COLOR'],
      getErrHasColors: () => host.stderr.isTTY === true && !host.env['NO_COLOR'],
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 refused, 2 usage, 3 server unreachable.\n\nExample:\n  $ arrowport serve --db ./data.duckdb\n  $ arrowport ingest sensors readings.parquet',
    );
  for (const register of commands) register(program, host);
  return program;
}

/** Runs one command line and resolves with the exit code; never throws. */
export async function runCli(host: CliHost): Promise<number> {
  const program = createProgram(host);
  try {
    await program.parseAsync([...host.argv], { from: 'user' });
    return exitCodes.done;
  } catch (thrown) {
    if (thrown instanceof CommandRefused) return thrown.exitCode;
    if (thrown instanceof CommanderError && (thrown.exitCode === 0 || thrown.code === 'commander.help')) {
      return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    }
    return reportFailure(host, toFailure(thrown, host));
  }
}

function reportFailure(host: CliHost, failure: CliFailure): number {
  if (host.argv.includes('--json')) {
    writeJson(host.stderr, failure.problem);
  } else {
    host.stderr.write(`${paint(host.stderr, 'red', `${failure.label}:`)} ${oneLine(failure.message)}\n`);
  }
  return failure.exitCode;
}

function toFailure(thrown: unknown, host: CliHost): CliFailure {
  if (thrown instanceof CliFailure) return thrown;
  if (thrown instanceof CommanderError) {
    const text = thrown.message.replace(/^error: /, '');
    return new CliFailure('usage', `${text} (see ${['arrowport', ...namedCommands(host)].join(' ')} --help)`);
  }
  if (thrown instanceof ArrowportError) {
    return new CliFailure('refused', `${thrown.code}: ${thrown.message}${reasonOf(thrown)}`, {
      label: 'refused',
      problem: {
        type: 'about:blank',
        title: 'The command could not be carried out',
        code: thrown.code,
        outcome: thrown.outcome,
        detail: `${thrown.message}${reasonOf(thrown)}`,
        ...(thrown.details.line === undefined ? {} : { line: thrown.details.line }),
        ...(thrown.details.position === undefined ? {} : { position: thrown.details.position }),
      },
    });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new CliFailure('refused', systemRemedy(thrown) ?? text, { cause: thrown });
}

/** What the system or the engine itself said, for whoever has to find out more. */
function reasonOf({ code, cause }: ArrowportError): string {
  if (code !== 'BACKEND_UNAVAILABLE' || !(cause instanceof Error)) return '';
  const [line = ''] = cause.message.split('\n', 1);
  return line === '' ? '' : ` (${line.slice(0, longestReason)})`;
}

/** The command that the line names, and its own command where it has some. */
function namedCommands(host: CliHost): string[] {
  const names: string[] = [];
  let { commands } = createProgram(host);
  for (const word of host.argv.filter((argument) => !argument.startsWith('-'))) {
    const command = commands.find((candidate) => candidate.name() === word);
    if (command === undefined) break;
    names.push(word);
    commands = command.commands;
  }
  return names;
}

function systemRemedy(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code, path, port } = thrown as NodeJS.ErrnoException & { port?: number };
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port ?? ''} is taken: stop what listens there, or choose another with --port`;
    case 'EADDRNOTAVAIL':
      return 'that address is not one of this machine: choose another with --host';
    case 'EACCES':
      return path === undefined
        ? `not allowed to listen on port ${port ?? ''}: choose one above 1023 with --port`
        : `not allowed to open ${path}: check its permissions`;
    case 'ENOENT':
      return path === undefined ? undefined : `there is no file ${path}: check the path`;
    case 'EISDIR':
      return `${path ?? 'that path'} is a directory: name a file`;
    default:
      return undefined;
  }
}
