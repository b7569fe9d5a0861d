import type { Command } from 'commander';
import type { CliHost } from './host.ts';
import { oneLine, writeJson } from './output.ts';

interface SetupOptions {
  readonly duckdbDelta?: boolean;
  readonly json?: boolean;
}

/** `arrowport setup`. */
export function registerSetupCommand(program: Command, host: CliHost): void {
  program
    .command('setup')
    .description("make the Delta worker's Python environment now, not with the first load to Delta")
    .option(
      '--duckdb-delta',
      'also install DuckDB’s delta extension, with which SQL reads Delta tables faster',
    )
    .option('--json', 'print the Python program and whether it was made just now as JSON')
    .addHelpText('after', '\nExample:\n  $ arrowport setup')
    .action((options: SetupOptions) => setUp(options, host));
}

async function setUp(options: SetupOptions, host: CliHost): Promise<void> {
  const { setUpDeltaWorker } = await import('../composition/setup.ts');
  const onProgress = (line: string) => host.stderr.write(`${oneLine(line)}\n`);
  const { python, created } = await setUpDeltaWorker({ env: host.env, onProgress });
  let extension: string | undefined;
  if (options.duckdbDelta === true) {
    const { setUpDeltaExtension } = await import('../composition/delta-sql.ts');
    extension = await setUpDeltaExtension(python, host.env);
  }
  if (options.json === true) {
    writeJson(host.stdout, { python, created, ...(extension === undefined ? {} : { extension }) });
    return;
  }
  host.stdout.write(`The Delta worker is ready${created ? '' : ' already'}: ${python}\n`);
  if (extension !== undefined) host.stdout.write(`DuckDB's delta extension is ready: ${extension}\n`);
}
