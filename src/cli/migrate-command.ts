import { type Command, InvalidArgumentError } from 'commander';
import {
  checkMigrationEnds,
  DEFAULT_PART_ROWS,
  type MigrationReport,
  type MigrationRequest,
  MOST_PART_ROWS,
  readMigrationEnd,
} from '../core/migration.ts';
import { ArrowportError } from '../errors.ts';
import { readNames, readWholeNumber } from './delta-request.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { formatRate } from './ingest-progress.ts';
import { migrateThroughServer, type RunMigration } from './migrate-http.ts';
import { MigrateProgress } from './migrate-progress.ts';
import { formatCount, oneLine, paint, writeJson } from './output.ts';
import { addConnectionOptions, type ConnectionOptions } from './server-connection.ts';

interface MigrateOptions extends ConnectionOptions {
  readonly config?: string;
  readonly db?: string;
  readonly append?: boolean;
  readonly overwrite?: boolean;
  readonly partitionBy?: readonly string[];
  readonly version?: number;
  readonly partRows: number;
  readonly json?: boolean;
}

/** `arrowport migrate SOURCE TARGET`. */
export function registerMigrateCommand(program: Command, host: CliHost): void {
  addConnectionOptions(program.command('migrate'))
    .description('copy a whole table from DuckDB to Delta, or back; run again, it goes on where it ended')
    .argument('<source>', 'duckdb:TABLE, duckdb:SCHEMA.TABLE or delta:TABLE')
    .argument('<target>', 'the same, of the other kind')
    .option('-c, --config <file>', 'configuration file (default: ARROWPORT_CONFIG, then ./arrowport.yaml)')
    .option('--db <file>', 'DuckDB file, in place of the configuration’s')
    .option('--append', 'add to the rows that the target has')
    .option('--overwrite', 'take the place of the rows that the target has')
    .option('--partition-by <columns>', 'columns that a new Delta table is partitioned by', readNames)
    .option('--version <number>', 'the version of a Delta source (default: the latest)', readWholeNumber)
    .option(
      '--part-rows <number>',
      'rows that are committed together, about',
      readPartRows,
      DEFAULT_PART_ROWS,
    )
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      '\nWithout --url the files are worked on here, while no server has them.\n\nExample:\n  $ arrowport migrate duckdb:sales.orders delta:orders --partition-by region\n  $ arrowport migrate delta:orders duckdb:orders --url http://127.0.0.1:8888',
    )
    .action((source: string, target: string, options: MigrateOptions) =>
      migrate(source, target, options, host),
    );
}

async function migrate(
  source: string,
  target: string,
  options: MigrateOptions,
  host: CliHost,
): Promise<void> {
  const request = readRequest(source, target, options);
  const progress = new MigrateProgress(host.stderr, options.json === true);
  const stop = new AbortController();
  const onSignal = () => stop.abort(new ArrowportError('CANCELLED', 'stopped'));
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    const run = await findRunner(options, host);
    const report = await run(request, stop.signal, (now) => progress.show(now));
    progress.stop();
    printReport(report, options, host);
  } catch (thrown) {
    progress.stop();
    if (!stop.signal.aborted) throw thrown;
    const rows = formatCount(host.stderr, progress.rows);
    throw new CliFailure(
      'refused',
      `stopped with ${rows} rows read: the same command goes on from the last part that was committed`,
      { label: 'stopped', cause: thrown },
    );
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function readRequest(source: string, target: string, options: MigrateOptions): MigrationRequest {
  if (options.append === true && options.overwrite === true)
    throw new CliFailure('usage', '--append and --overwrite exclude each other: give one of them');
  if (options.url !== undefined && (options.config !== undefined || options.db !== undefined))
    throw new CliFailure('usage', '--config and --db name files, --url a server: give one or the other');
  try {
    const ends = { source: readMigrationEnd(source), target: readMigrationEnd(target) };
    checkMigrationEnds(ends.source, ends.target);
    return {
      ...ends,
      existing: options.append === true ? 'append' : options.overwrite === true ? 'overwrite' : 'refuse',
      partitionBy: options.partitionBy ?? null,
      version: options.version ?? null,
      partRows: options.partRows,
    };
  } catch (thrown) {
    throw thrown instanceof ArrowportError ? new CliFailure('usage', thrown.message) : thrown;
  }
}

/** Through a server only where one is named here: a variable that is set for other commands does not decide. */
async function findRunner(options: MigrateOptions, host: CliHost): Promise<RunMigration> {
  if (options.url !== undefined) return migrateThroughServer(options, host);
  const { openFileMigrator } = await import('../composition/migrate-files.ts');
  return async (request, signal, onProgress) => {
    const migrator = await openFileMigrator({
      ...(options.config === undefined ? {} : { configPath: options.config }),
      ...(options.db === undefined ? {} : { db: options.db }),
      env: host.env,
      cwd: host.cwd,
      onNotice: (line) => host.stderr.write(`${oneLine(line)}\n`),
    });
    try {
      return await migrator.migrate(request, { requestId: 'migrate', signal, onProgress });
    } finally {
      await migrator.close();
    }
  };
}

function printReport(report: MigrationReport, options: MigrateOptions, host: CliHost): void {
  if (options.json === true) {
    writeJson(host.stdout, report);
    return;
  }
  const { rows, rows_resumed: resumed, version } = report;
  const count = (number: number) => formatCount(host.stdout, number);
  if (report.already_done) {
    const sign = paint(host.stdout, 'green', 'already done:');
    host.stdout.write(`${sign} ${report.target} has the ${count(rows)} rows of ${report.source}\n`);
    return;
  }
  const seconds = report.duration_ms / 1000;
  const facts = [
    `${seconds.toFixed(2)} s`,
    formatRate(rows - resumed, seconds),
    ...(resumed > 0 ? [`${count(resumed)} of them by an earlier run`] : []),
    ...(version === null ? [] : [`Delta version ${version}`]),
  ].join(', ');
  const sign = paint(host.stdout, 'green', 'migrated:');
  host.stdout.write(`${sign} ${count(rows)} rows from ${report.source} to ${report.target}: ${facts}\n`);
}

function readPartRows(text: string): number {
  const rows = Number(text);
  if (!/^\d{1,10}$/.test(text) || rows < 1 || rows > MOST_PART_ROWS)
    throw new InvalidArgumentError(`use a whole number from 1 to ${MOST_PART_ROWS}.`);
  return rows;
}
