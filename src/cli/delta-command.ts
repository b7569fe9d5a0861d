import { type Command, InvalidArgumentError, Option } from 'commander';
import { registerChangeCommands } from './delta-change-command.ts';
import { type ReadOptions, readTable } from './delta-read.ts';
import { type DeltaOptions, readNames, readWholeNumber } from './delta-request.ts';
import { listTables, showHistory, showTable } from './delta-tables.ts';
import {
  checkpointTable,
  cleanLog,
  type OptimizeOptions,
  optimizeTable,
  restoreTable,
  type VacuumOptions,
  vacuumTable,
  type ZOrderOptions,
  zOrderTable,
} from './delta-upkeep.ts';
import type { CliHost } from './host.ts';
import { rowFormats } from './row-file.ts';
import { addConnectionOptions } from './server-connection.ts';

/** `arrowport delta …`. */
export function registerDeltaCommand(program: Command, host: CliHost): void {
  const delta = program
    .command('delta')
    .description('look at the Delta tables of a server, read and change them, and keep them in shape')
    .addHelpText(
      'after',
      '\nExample:\n  $ arrowport delta list\n  $ arrowport delta read events --version 3 --limit 10',
    );
  registerLookingCommands(delta, host);
  registerReadCommand(delta, host);
  registerChangesCommand(delta, host);
  registerVacuumCommand(delta, host);
  registerLayoutCommands(delta, host);
  registerVersionCommands(delta, host);
  registerChangeCommands(delta, host, add);
}

/** Adds a command with what every one of them has; `list` is the only one of no table. */
function add(delta: Command, name: string, description: string, example: string): Command {
  const command = delta.command(name).description(description);
  if (name !== 'list') command.argument('<table>', 'a Delta table');
  return addConnectionOptions(command)
    .option('--json', "print the server's answer as JSON")
    .addHelpText('after', `\nExample:\n  $ arrowport delta ${example}`);
}

function registerLookingCommands(delta: Command, host: CliHost): void {
  add(delta, 'list', 'list the Delta tables', 'list').action((options: DeltaOptions) =>
    listTables(options, host),
  );
  add(delta, 'info', 'show the version, files, rows, properties and schema of a table', 'info events').action(
    (table: string, options: DeltaOptions) => showTable(table, options, host),
  );
  add(delta, 'history', 'list the commits of a table, newest first', 'history events --limit 5')
    .option('--limit <number>', 'no more commits than this', readWholeNumber)
    .action((table: string, options: DeltaOptions & { limit?: number }) => showHistory(table, options, host));
}

function registerReadCommand(delta: Command, host: CliHost): void {
  add(
    delta,
    'read',
    'print the rows of a table, of now or of an earlier version',
    'read events --columns id,kind --filter "kind = \'click\'"\n  $ arrowport delta read events --version 3 --output events.parquet',
  )
    .option('--version <number>', 'the rows as of this version', readWholeNumber)
    .option('--timestamp <time>', 'the rows as of this time, as in 2026-01-05T09:30:00Z')
    .option('--columns <names>', 'only these columns, separated by commas', readNames)
    .option('--filter <sql>', 'only rows that this predicate is true of')
    .option('--limit <number>', 'no more rows than this (default on a terminal: 100)', readWholeNumber)
    .addOption(
      new Option(
        '--format <format>',
        "default: a table of text; with --output what the file's name says, else arrow",
      ).choices(Object.keys(rowFormats)),
    )
    .option('-o, --output <file>', 'write the rows to this file')
    .action((table: string, options: ReadOptions) => readTable(table, options, host));
}

function registerChangesCommand(delta: Command, host: CliHost): void {
  const command = add(
    delta,
    'changes',
    'print the change data feed of a table, where it has one',
    'changes events --from 3',
  );
  command
    .option('--from <version>', 'the first version (default: 0)', readWholeNumber)
    .option('--to <version>', 'the last version (default: the latest)', readWholeNumber)
    .option('--columns <names>', 'only these columns, separated by commas', readNames)
    .option('--filter <sql>', 'only rows that this predicate is true of')
    .option('--limit <number>', 'no more rows than this', readWholeNumber)
    .addOption(new Option('--format <format>', 'as for delta read').choices(Object.keys(rowFormats)))
    .option('-o, --output <file>', 'write the rows to this file')
    .action((table: string, options: ReadOptions & { from?: number; to?: number }) => {
      const { from, to, ...rest } = options;
      const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
      return readTable(table, { ...rest, changes: range }, host);
    });
}

function registerVacuumCommand(delta: Command, host: CliHost): void {
  add(
    delta,
    'vacuum',
    'list the files that no version within the retention needs; --no-dry-run deletes them',
    'vacuum events --retention-hours 168 --no-dry-run',
  )
    .option('--retention-hours <hours>', "keep what is younger (default: the table's own)", readWholeNumber)
    .option('--no-dry-run', 'delete the files')
    .option('--force', "allow less than the table's retention")
    .action((table: string, options: VacuumOptions) => vacuumTable(table, options, host));
}

function registerLayoutCommands(delta: Command, host: CliHost): void {
  const addTargetSize = (command: Command) =>
    command.option('--target-size <bytes>', 'size that files are aimed at', readWholeNumber);
  addTargetSize(
    add(
      delta,
      'optimize',
      'gather small files into large ones',
      'optimize events --partition date=2026-01-05',
    ),
  )
    .option('--partition <column=value>', 'only this partition; may be given once a column', readPartition)
    .action((table: string, options: OptimizeOptions) => optimizeTable(table, options, host));
  addTargetSize(
    add(
      delta,
      'z-order',
      'sort rows by several columns at once, so that reads skip files',
      'z-order events --columns user_id,at',
    ),
  )
    .requiredOption('--columns <names>', 'the columns, separated by commas', readNames)
    .action((table: string, options: ZOrderOptions) => zOrderTable(table, options, host));
}

function registerVersionCommands(delta: Command, host: CliHost): void {
  add(delta, 'restore', 'bring an earlier version back, as a new version', 'restore events 3')
    .argument('[version]', 'the version', readWholeNumber)
    .option('--timestamp <time>', 'the version of this time, as in 2026-01-05T09:30:00Z')
    .action((table: string, version: number | undefined, options: DeltaOptions & { timestamp?: string }) =>
      restoreTable(table, version, options, host),
    );
  add(
    delta,
    'checkpoint',
    'write a checkpoint of the log, so that readers open the table faster',
    'checkpoint events',
  ).action((table: string, options: DeltaOptions) => checkpointTable(table, options, host));
  add(
    delta,
    'clean-log',
    'remove log files that no version within their retention needs',
    'clean-log events',
  ).action((table: string, options: DeltaOptions) => cleanLog(table, options, host));
}

function readPartition(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('use column=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
