import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { findNamedFileProblems } from '../config/named-files.ts';
import { type ConfigPath, describePath } from '../config/path.ts';
import { type ConfigProblem, createConfigError } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { readTokensFile } from '../config/tokens-file.ts';
import type { YamlDocument } from '../config/yaml-document.ts';
import { ArrowportError } from '../errors.ts';
import { readKeyFile } from './auth.ts';
import { readTlsMaterial } from './tls.ts';

/**
 * Checks the files that a configuration names as the server would when it starts in `cwd`: whether they are there, and
 * whether tokens, keys and certificates can be used. Changes nothing. Throws CONFIG_INVALID, a line for each problem at
 * the place of its option.
 */
export async function checkNamedFiles(config: Config, document: YamlDocument, cwd: string): Promise<void> {
  const problems = [...(await findNamedFileProblems(config, document, cwd))];
  const isMissing = (option: string) => problems.some(({ subject }) => subject.startsWith(option));
  const { auth, tls } = config;
  const read = async (option: ConfigPath, files: readonly (string | null)[], run: () => Promise<unknown>) => {
    if (isMissing(describePath(option)) || !(await areRegular(files, cwd))) return;
    problems.push(...(await findContentProblems(option, document, run)));
  };
  const { tokens_file: tokens } = auth;
  if (tokens !== null)
    await read(['auth', 'tokens_file'], [tokens], () => readTokensFile(resolve(cwd, tokens), tokens));
  const keys = auth.jwt?.key_file ?? null;
  if (keys !== null)
    await read(['auth', 'jwt', 'key_file'], [keys], () => readKeyFile(resolve(cwd, keys), keys));
  await read(['tls'], [tls.cert, tls.key, tls.client_ca], () =>
    readTlsMaterial(tls, cwd, { warn: () => undefined }),
  );
  if (problems.length > 0) throw createConfigError(problems);
}

/** Reading a pipe would take from it what the server is to read. */
async function areRegular(files: readonly (string | null)[], cwd: string): Promise<boolean> {
  const found = files.flatMap((file) => (file === null ? [] : [stat(resolve(cwd, file))]));
  return (await Promise.all(found)).every((file) => file.isFile());
}

/** Problems at the option that the message names, else at `option`. */
async function findContentProblems(
  option: ConfigPath,
  document: YamlDocument,
  run: () => Promise<unknown>,
): Promise<readonly ConfigProblem[]> {
  try {
    await run();
    return [];
  } catch (thrown) {
    if (!(thrown instanceof ArrowportError && thrown.code === 'CONFIG_INVALID')) throw thrown;
    return thrown.message.split('\n').map((line) => {
      const named = /^(?<path>(?:auth|tls)\.[a-z_.]+): (?<text>.*)$/.exec(line)?.groups;
      const path = named?.['path']?.split('.') ?? option;
      return {
        place: document.locate(path, 'value'),
        subject: describePath(path),
        text: named?.['text'] ?? line,
      };
    });
  }
}
