import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { CliHost } from './host.ts';
import { writeJson } from './output.ts';

/** The version of the installed package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed) return String(parsed.version);
  return 'unknown';
}

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
