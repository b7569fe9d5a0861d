import { resolve } from 'node:path';
import { checkSources } from './check.ts';
import { findConfigText } from './config-file.ts';
import { type CommandLineOverrides, readOverrides } from './overrides.ts';
import { describePath } from './path.ts';
import { createConfigError } from './problem.ts';
import type { Config } from './schema.ts';
import type { Environment } from './substitute.ts';
import { readYamlDocument, type YamlDocument } from './yaml-document.ts';

/** Where the configuration comes from. */
export interface LoadConfigOptions {
  /** As given by `--config`; a file that must exist. */
  readonly path?: string | undefined;
  /** What relative file names start from; the process's working directory when left out. */
  readonly cwd?: string;
  /** The process's own environment when left out. */
  readonly env?: Environment;
  readonly overrides?: CommandLineOverrides;
}

/** A configuration with the files it was read from. */
export interface LoadedConfig {
  readonly config: Config;
  /** The absolute path of the file; null for the built-in defaults. A reload passes it on as `path`, so that a file that has vanished is an error then. */
  readonly path: string | null;
  /** Absolute paths to watch: the files that were read, or the `arrowport.yaml` that is not there yet. */
  readonly files: readonly string[];
}

const defaultFile = 'arrowport.yaml';

/**
 * Loads the configuration: `--config`, else `ARROWPORT_CONFIG`, else `arrowport.yaml` in the working directory, else
 * the built-in defaults; over it the streams file, the variables and the command line. Throws CONFIG_INVALID.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { cwd = process.cwd(), env = process.env, overrides = {} } = options;
  const main = await readMain(options.path, cwd, env);
  const streams = await readStreamsFile(cwd, env);
  const config = checkSources({
    document: main.document,
    streams: streams?.document ?? null,
    overrides: readOverrides(env, overrides),
  });
  const files = streams === null ? [main.path] : [main.path, streams.path];
  return { config, path: main.document === null ? null : main.path, files };
}

async function readMain(
  given: string | undefined,
  cwd: string,
  env: Environment,
): Promise<{ path: string; document: YamlDocument | null }> {
  const named = given ?? (env['ARROWPORT_CONFIG'] || undefined);
  const shown = named ?? defaultFile;
  const path = resolve(cwd, shown);
  const text = await findConfigText(path, shown);
  if (text !== undefined) return { path, document: readYamlDocument(text, shown, env) };
  if (named === undefined) return { path, document: null };
  const origin = given === undefined ? 'ARROWPORT_CONFIG names it' : 'it was given as the configuration';
  throw createConfigError([
    { place: { name: shown }, subject: '', text: `there is no such file, and ${origin}` },
  ]);
}

async function readStreamsFile(
  cwd: string,
  env: Environment,
): Promise<{ path: string; document: YamlDocument } | null> {
  const named = env['ARROWPORT_STREAMS_PATH'];
  if (!named) return null;
  const path = resolve(cwd, named);
  const text = await findConfigText(path, named);
  if (text === undefined) {
    const problem = 'there is no such file, and ARROWPORT_STREAMS_PATH names it';
    throw createConfigError([{ place: { name: named }, subject: '', text: problem }]);
  }
  const document = readYamlDocument(text, named, env);
  const keys =
    typeof document.value === 'object' && document.value !== null ? Object.keys(document.value) : [];
  if (!keys.includes('streams')) {
    const problem = 'the file that ARROWPORT_STREAMS_PATH names needs a streams: section';
    throw createConfigError([{ place: document.locate([], 'value'), subject: '', text: problem }]);
  }
  const others = keys.filter((key) => key !== 'streams');
  if (others.length === 0) return { path, document };
  throw createConfigError(
    others.map((key) => ({
      place: document.locate([key], 'key'),
      subject: describePath([key]),
      text: 'only streams is read from the file that ARROWPORT_STREAMS_PATH names; put this key into the configuration',
    })),
  );
}
