import type { Command } from 'commander';
import type { CliHost } from './host.ts';
import { oneLine, writeJson } from './output.ts';

/** `arrowport setup`. */
export function registerSetupCommand(program: Command, host: CliHost): void {
  program
    .command('setup')
    .description("make the Delta worker's Python environment now, not with the first load to Delta")
    .option('--json', 'print the Python program and whether it was made just now as JSON')
    .addHelpText('after', '\nExample:\n  $ arrowport setup')
    .action(async (options: { readonly json?: boolean }) => {
      const { setUpDeltaWorker } = await import('../composition/setup.ts');
      const { python, created } = await setUpDeltaWorker({
        env: host.env,
        onProgress: (line) => host.stderr.write(`${oneLine(line)}\n`),
      });
      if (options.json === true) writeJson(host.stdout, { python, created });
      else host.stdout.write(`The Delta worker is ready${created ? '' : ' already'}: ${python}\n`);
    });
}
