import { type Command, InvalidArgumentError, Option } from 'commander';
import { type LoadOptions, loadTable } from './delta-load.ts';
import { type DeltaOptions, postVerb, readNames } from './delta-request.ts';
import { writeChange } from './delta-upkeep.ts';
import type { CliHost } from './host.ts';
import { inputFormats } from './ingest-input.ts';

type Add = (delta: Command, name: string, description: string, example: string) => Command;
type Texts = Readonly<Record<string, string>>;

/** Registers the commands that change the rows or the properties of a table. */
export function registerChangeCommands(delta: Command, host: CliHost, add: Add): void {
  const post = async (table: string, verb: string, body: object, options: DeltaOptions) =>
    writeChange(await postVerb(options, host, table, verb, { ...body }), options, host);
  registerLoads(delta, host, add);
  add(delta, 'delete', 'delete the rows that a predicate names', 'delete events --predicate "id < 100"')
    .requiredOption('--predicate <sql>', 'which rows; "true" deletes all')
    .action((table: string, options: DeltaOptions & { predicate: string }) =>
      post(table, 'delete', { predicate: options.predicate }, options),
    );
  add(
    delta,
    'update',
    'set columns to SQL expressions',
    'update events --set ms=0.0 --predicate "ms IS NULL"',
  )
    .requiredOption('--set <column=sql>', 'a column and its new value; may be given several times', readPair)
    .option('--predicate <sql>', 'which rows (default: all)')
    .action(
      (table: string, { set, predicate, ...options }: DeltaOptions & { set: Texts; predicate?: string }) =>
        post(table, 'update', { updates: set, ...(predicate === undefined ? {} : { predicate }) }, options),
    );
  add(delta, 'properties', 'set table properties', 'properties events --set delta.enableChangeDataFeed=true')
    .requiredOption('--set <name=value>', 'a property; may be given several times', readPair)
    .action((table: string, { set, ...options }: DeltaOptions & { set: Texts }) =>
      post(table, 'properties', { properties: set }, options),
    );
}

function registerLoads(delta: Command, host: CliHost, add: Add): void {
  const addLoad = (name: string, description: string, example: string) =>
    add(delta, name, description, example)
      .argument('<files...>', 'files of one schema; - is standard input')
      .addOption(
        new Option('--format <format>', 'what the input is, where its bytes and name do not tell').choices(
          inputFormats,
        ),
      )
      .option('--idempotency-key <key>', 'commit this load once, however often it is sent');
  addLoad('write', 'write files to a table as one commit', 'write events today.parquet --mode overwrite')
    .addOption(
      new Option('--mode <mode>', 'what happens to the rows there are').choices(['append', 'overwrite']),
    )
    .option('--predicate <sql>', 'with --mode overwrite: replace only the rows that it names')
    .option('--partition-by <names>', 'columns that a new table is partitioned by', readNames)
    .addOption(new Option('--schema-mode <mode>', 'how the table may change').choices(['merge', 'overwrite']))
    .action((table: string, files: readonly string[], options: LoadOptions) =>
      loadTable(table, files, '', options, host),
    );
  addLoad('merge', 'merge files into a table by key columns', 'merge events today.parquet --on id')
    .requiredOption('--on <names>', 'the key columns, separated by commas', readNames)
    .addOption(
      new Option('--when-matched <what>', 'with rows whose keys match').choices([
        'update',
        'delete',
        'ignore',
      ]),
    )
    .addOption(new Option('--when-not-matched <what>', 'with the other rows').choices(['insert', 'ignore']))
    .action((table: string, files: readonly string[], options: LoadOptions) =>
      loadTable(table, files, '/merge', options, host),
    );
}

function readPair(text: string, before: Texts | undefined): Texts {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('use name=value.');
  return { ...before, [text.slice(0, at).trim()]: text.slice(at + 1).trim() };
}
