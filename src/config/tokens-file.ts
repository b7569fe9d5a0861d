import type { $ZodIssue } from 'zod/v4/core';
import { type TokenEntry, tokensFileSchema } from '../auth/config.ts';
import { findConfigText } from './config-file.ts';
import { describePath } from './path.ts';
import { type ConfigProblem, createConfigError } from './problem.ts';
import { readYamlDocument, type YamlDocument } from './yaml-document.ts';

const entryKeys = ['name', 'sha256', 'certificate', 'scopes', 'streams', 'expires'];

/** Reads and checks the file of tokens; `shownName` is what messages call it. Throws CONFIG_INVALID, a line for each problem. */
export async function readTokensFile(path: string, shownName: string): Promise<readonly TokenEntry[]> {
  const text = await findConfigText(path, shownName);
  if (text !== undefined) return checkTokens(text, shownName);
  throw createConfigError([
    { place: { name: shownName }, subject: '', text: 'there is no such file, and auth.tokens_file names it' },
  ]);
}

/** Checks the text of a file of tokens. Pure. No message repeats a value of the file: a token may stand there by mistake. */
export function checkTokens(text: string, fileName: string): readonly TokenEntry[] {
  const document = readYamlDocument(text, fileName, {});
  const result = tokensFileSchema.safeParse(document.value);
  const problems = (result.error?.issues ?? []).flatMap((issue) => describeIssue(issue, document));
  if (!result.success || problems.length > 0) throw createConfigError(problems);
  const { tokens } = result.data;
  const doubles = (['name', 'sha256', 'certificate'] as const).flatMap((key) =>
    listDoubles(tokens, key, document),
  );
  if (doubles.length > 0) throw createConfigError(doubles);
  return tokens;
}

function describeIssue(issue: $ZodIssue, document: YamlDocument): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') {
    return [{ place: document.locate(path, 'value'), subject: describePath(path), text: issue.message }];
  }
  const known = path.length === 0 ? ['tokens'] : entryKeys;
  return issue.keys.map((key) => ({
    place: document.locate([...path, key], 'key'),
    subject: describePath(path),
    text: `there is no such key; the keys here are ${known.join(', ')}`,
  }));
}

/** Two entries of one name could not be told apart in the audit log; of two for one credential only the first would count. */
function listDoubles(
  tokens: readonly TokenEntry[],
  key: 'name' | 'sha256' | 'certificate',
  document: YamlDocument,
): ConfigProblem[] {
  const seen = new Set<string>();
  return tokens.flatMap((token, index) => {
    const value = token[key];
    if (value === undefined || !seen.has(value)) {
      if (value !== undefined) seen.add(value);
      return [];
    }
    const path = ['tokens', String(index), key];
    const text = 'another entry above has the same';
    return [{ place: document.locate(path, 'value'), subject: describePath(path), text }];
  });
}
