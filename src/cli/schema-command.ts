import type { Command } from 'commander';
import type { CliHost } from './host.ts';

/** `arrowport schema`. */
export function registerSchemaCommand(program: Command, host: CliHost): void {
  program
    .command('schema')
    .description('print the JSON Schema of the configuration file, for editors and validators')
    .option('--json', 'accepted for uniformity: the output is JSON in any case')
    .addHelpText('after', '\nExample:\n  $ arrowport schema > arrowport.schema.json')
    .action(async () => {
      const { configJsonSchema } = await import('../config/json-schema.ts');
      host.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    });
}
