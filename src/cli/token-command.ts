import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { issueToken } from '../auth/issue-token.ts';
import { type Scope, scopes } from '../core/auth.ts';
import type { CliHost } from './host.ts';
import { writeJson } from './output.ts';

interface TokenOptions {
  readonly name?: string;
  readonly scopes: readonly Scope[];
  readonly streams?: readonly string[];
  readonly expires?: string;
  readonly file?: string;
  readonly json?: boolean;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** `arrowport token`. */
export function registerTokenCommand(program: Command, host: CliHost): void {
  const token = program
    .command('token')
    .description('bearer tokens for auth.tokens_file')
    .addHelpText('after', '\nExample:\n  $ arrowport token create --name press-7 --scopes ingest');
  token
    .command('create')
    .description('make a token; it is printed once, and only its SHA-256 goes into the tokens file')
    .option('--name <name>', 'what logs and the audit log call its holder (default: made from its SHA-256)')
    .addOption(
      new Option('--scopes <scopes>', 'what it allows: ingest, read, admin, with commas between them')
        .argParser(readScopes)
        .default(['ingest'], 'ingest'),
    )
    .option(
      '--streams <patterns>',
      'streams and tables it is for, e.g. "sensors*,events" (default: all)',
      readPatterns,
    )
    .option('--expires <when>', 'when it ends: 90d, 12h, or a time like 2030-01-31T12:00:00Z', readExpiry)
    .option('--file <file>', 'tokens file to put the entry into; made when it is not there')
    .option('--json', 'print the token and its entry as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ arrowport token create --name press-7 --scopes ingest --streams "sensors*" --expires 90d --file tokens.yaml',
    )
    .action((options: TokenOptions) => createToken(options, host));
}

async function createToken(options: TokenOptions, host: CliHost): Promise<void> {
  const { addTokenToFile, appendTokenEntry, formatTokenEntry } = await import(
    '../config/tokens-file-entry.ts'
  );
  const { token, sha256 } = issueToken();
  const entry = {
    name: options.name ?? `token-${sha256.slice(0, 8)}`,
    sha256,
    scopes: [...options.scopes],
    streams: options.streams === undefined ? null : [...options.streams],
    expires: options.expires ?? null,
  };
  const { file } = options;
  if (file === undefined) appendTokenEntry('', 'the entry', entry);
  else await addTokenToFile(resolve(host.cwd, file), file, entry);
  if (options.json === true) {
    writeJson(host.stdout, { token, ...entry, file: file ?? null });
    return;
  }
  host.stderr.write('This token is shown only now: keep it where secrets are kept.\n');
  host.stdout.write(`${token}\n`);
  if (file !== undefined) host.stderr.write(`Its entry "${entry.name}" is in ${file}.\n`);
  else host.stdout.write(`\n# Its entry in the tokens file, below "tokens:"\n${formatTokenEntry(entry)}`);
}

function readScopes(text: string): readonly Scope[] {
  const named = splitNames(text);
  const unknown = named.find((name) => !scopes.some((scope) => scope === name));
  if (unknown !== undefined || named.length === 0)
    throw new InvalidArgumentError('use ingest, read and admin, with commas between them.');
  return scopes.filter((scope) => named.includes(scope));
}

function readPatterns(text: string): readonly string[] {
  const patterns = splitNames(text);
  if (patterns.length > 0) return patterns;
  throw new InvalidArgumentError('name at least one stream or pattern.');
}

/** A span of time from now, or a time; which of the two the check of the entry has to say. */
function readExpiry(text: string): string {
  const [, count, unit] = /^(\d{1,6})([dh])$/.exec(text) ?? [];
  const time =
    count === undefined ? Date.parse(text) : Date.now() + Number(count) * (unit === 'd' ? DAY_MS : HOUR_MS);
  const isTime = count !== undefined || /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d/.test(text);
  if (!isTime || Number.isNaN(time))
    throw new InvalidArgumentError('use 90d, 12h, or a time like 2030-01-31T12:00:00Z.');
  if (time <= Date.now()) throw new InvalidArgumentError('that time is over.');
  return count === undefined ? text : new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

function splitNames(text: string): readonly string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
