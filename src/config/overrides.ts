import type { ConfigOverride } from './check.ts';
import type { Environment } from './substitute.ts';

/** What the command line may put over everything else; undefined leaves the value as it is. */
export interface CommandLineOverrides {
  readonly db_path?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
}

/** The variables that stand over the file, as they are documented. */
export const overrideVariables = {
  ARROWPORT_CONFIG: 'The configuration file, where `--config` is not given.',
  ARROWPORT_DB: 'Stands over `db_path`.',
  ARROWPORT_PORT: 'Stands over `port`.',
  ARROWPORT_STREAMS_PATH:
    'A YAML file whose `streams` stands in the place of the one in the configuration; it holds nothing else, and a change of it is reloaded too.',
  ARROWPORT_COMPRESSION: 'Stands over `compression`: `zstd`, `lz4` or `none`, with a level as in `zstd:3`.',
  ARROWPORT_STORAGE_BACKEND: 'Stands over `storage_backend`.',
} as const;

/** Reads the values that the environment and then the command line put over the file. Empty variables count as unset. */
export function readOverrides(environment: Environment, commandLine: CommandLineOverrides): ConfigOverride[] {
  const { ARROWPORT_DB, ARROWPORT_PORT, ARROWPORT_COMPRESSION, ARROWPORT_STORAGE_BACKEND } = environment;
  const candidates = [
    { path: ['db_path'], value: commandLine.db_path, name: '--db' },
    { path: ['host'], value: commandLine.host, name: '--host' },
    { path: ['port'], value: commandLine.port, name: '--port' },
    { path: ['db_path'], value: ARROWPORT_DB || undefined, name: 'ARROWPORT_DB' },
    { path: ['port'], value: ARROWPORT_PORT || undefined, name: 'ARROWPORT_PORT' },
    {
      path: ['compression'],
      value: ARROWPORT_COMPRESSION ? readCompression(ARROWPORT_COMPRESSION) : undefined,
      name: 'ARROWPORT_COMPRESSION',
    },
    {
      path: ['storage_backend'],
      value: ARROWPORT_STORAGE_BACKEND || undefined,
      name: 'ARROWPORT_STORAGE_BACKEND',
    },
  ];
  const given = candidates.filter(({ value }) => value !== undefined);
  return given.filter(({ path: [key] }, index) => given.findIndex(({ path }) => path[0] === key) === index);
}

/** `zstd:3` as the section it stands for; what is wrong with it is found by the check of that section. */
function readCompression(text: string): unknown {
  const [algorithm, ...level] = text.split(':');
  return level.length === 0 ? { algorithm } : { algorithm, level: level.join(':') || 'missing' };
}
