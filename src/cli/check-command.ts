import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ArrowportError } from '../errors.ts';
import { CliFailure, CommandRefused } from './failure.ts';
import type { CliHost } from './host.ts';
import { paint, writeJson, writeTable } from './output.ts';

interface CheckOptions {
  readonly files: boolean;
  readonly json?: boolean;
}

interface RouteSummary {
  readonly stream: string;
  readonly table: string;
  readonly storage_backend: string;
}

/** `arrowport check F`. */
export function registerCheckCommand(program: Command, host: CliHost): void {
  program
    .command('check')
    .description(
      'check a configuration file, and the files that it names; each problem is a line of file:line:column: what is wrong',
    )
    .argument('<file>', 'the configuration file')
    .option('--no-files', 'do not look for the files that it names: they are on another machine')
    .option('--json', 'print {valid, routes, problems} as JSON on standard output')
    .addHelpText('after', '\nExample:\n  $ arrowport check arrowport.yaml')
    .action((file: string, options: CheckOptions) => check(file, options, host));
}

async function check(file: string, options: CheckOptions, host: CliHost): Promise<void> {
  const { findConfigText } = await import('../config/config-file.ts');
  const { checkSources } = await import('../config/check.ts');
  const { readYamlDocument } = await import('../config/yaml-document.ts');
  try {
    const text = await findConfigText(resolve(host.cwd, file), file);
    if (text === undefined) throw new CliFailure('refused', `there is no file ${file}: check the path`);
    const document = readYamlDocument(text, file, host.env);
    const config = checkSources({ document, streams: null, overrides: [] });
    if (options.files) {
      const { checkNamedFiles } = await import('../composition/check-files.ts');
      await checkNamedFiles(config, document, host.cwd);
    }
    const { storage_backend: defaultBackend, streams } = config;
    const routes = Object.entries(streams).map(([stream, route]) => ({
      stream,
      table: route.target_table ?? stream,
      storage_backend: route.storage_backend ?? defaultBackend,
    }));
    printRoutes(file, routes, options, host);
  } catch (thrown) {
    if (!(thrown instanceof ArrowportError && thrown.code === 'CONFIG_INVALID')) throw thrown;
    const problems = thrown.message.split('\n');
    if (options.json === true) {
      writeJson(host.stdout, { file, valid: false, problems: problems.map(readProblem) });
    } else {
      for (const problem of problems) host.stderr.write(`${problem}\n`);
    }
    throw new CommandRefused();
  }
}

function printRoutes(
  file: string,
  routes: readonly RouteSummary[],
  options: CheckOptions,
  host: CliHost,
): void {
  if (options.json === true) {
    writeJson(host.stdout, { file, valid: true, routes, problems: [] });
    return;
  }
  const count = routes.length === 1 ? '1 route' : `${routes.length} routes`;
  host.stdout.write(`${paint(host.stdout, 'green', 'OK')} ${file}: ${count}\n`);
  if (routes.length === 0) return;
  writeTable(
    host.stdout,
    [{ title: 'stream' }, { title: 'table' }, { title: 'backend' }],
    routes.map((route) => [route.stream, route.table, route.storage_backend]),
  );
}

/** Takes a line of a configuration error apart; what has no place in the file keeps its whole text. */
function readProblem(line: string): Record<string, unknown> {
  const match = /^(?<file>.*?):(?<line>\d+):(?<column>\d+): (?<message>.*)$/.exec(line);
  if (match?.groups === undefined) return { message: line };
  const { file, line: row, column, message } = match.groups;
  return { file, line: Number(row), column: Number(column), message };
}
