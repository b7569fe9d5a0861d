import type { Command } from 'commander';
import { packageVersion } from '../config/package-version.ts';
import type { CliHost } from './host.ts';
import { writeJson } from './output.ts';

/** `arrowport version`. */
export function registerVersionCommand(program: Command, host: CliHost): void {
  program
    .command('version')
    .description('print the version')
    .option('--json', 'print the versions of Arrowport, Node.js and the platform as JSON')
    .addHelpText('after', '\nExample:\n  $ arrowport version')
    .action((options: { json?: boolean }) => {
      const version = packageVersion();
      if (options.json !== true) {
        host.stdout.write(`arrowport ${version}\n`);
        return;
      }
      writeJson(host.stdout, {
        arrowport: version,
        node: process.versions.node,
        platform: `${process.platform}-${process.arch}`,
      });
    });
}
