import { randomBytes } from 'node:crypto';
import { chmod, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { Document, isScalar, isSeq, type Node, parseDocument, type YAMLMap } from 'yaml';
import type { TokenEntry } from '../auth/config.ts';
import { ArrowportError } from '../errors.ts';
import { findConfigText } from './config-file.ts';
import { checkTokens } from './tokens-file.ts';

const PRIVATE_MODE = 0o600;

/** An entry of the tokens file as YAML: the item of a list, ready to be put below `tokens:`. */
export function formatTokenEntry(entry: TokenEntry): string {
  const document = new Document([]);
  document.add(createNode(document, entry));
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** The text of a tokens file with an entry behind those it has; comments stay. Pure. Throws CONFIG_INVALID when either text does not check. */
export function appendTokenEntry(text: string, fileName: string, entry: TokenEntry): string {
  if (text.trim() !== '') checkTokens(text, fileName);
  const next = addTo(text, entry);
  checkTokens(next, fileName);
  return next;
}

/**
 * Puts an entry into a tokens file, which is made when it is not there, readable by its owner only. The file is replaced
 * as a whole, so that a server that watches it never sees half of it. Throws CONFIG_INVALID.
 */
export async function addTokenToFile(path: string, shownName: string, entry: TokenEntry): Promise<void> {
  const text = await findConfigText(path, shownName);
  const next = appendTokenEntry(text ?? '', shownName, entry);
  const target = text === undefined ? path : await realpath(path);
  const mode = text === undefined ? PRIVATE_MODE : (await stat(target)).mode & 0o777;
  const draft = `${target}.${randomBytes(6).toString('hex')}.new`;
  try {
    await using file = await open(draft, 'wx', PRIVATE_MODE);
    await file.writeFile(next);
    await file.sync();
    await chmod(draft, mode);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw describeUnwritable(error, shownName);
  }
}

/** Nobody has heard of the draft's name. */
function describeUnwritable(error: unknown, shownName: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = reasons[code];
  if (reason === undefined) return error;
  return new ArrowportError('CONFIG_INVALID', `${shownName} cannot be written: ${reason}`, { cause: error });
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder',
  EACCES: 'permission denied',
  EROFS: 'the disk is mounted read-only',
  ENOSPC: 'the disk is full',
};

function addTo(text: string, entry: TokenEntry): string {
  const document = parseDocument(text.trim() === '' ? `${text}tokens: []\n` : text);
  const tokens = document.get('tokens');
  if (!isSeq(tokens)) return text;
  if (tokens.items.length === 0) tokens.flow = false;
  tokens.add(createNode(document, entry));
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Lists on one line, and the hash in quotes: some look like numbers. */
function createNode(document: Document, entry: TokenEntry): Node {
  const node = document.createNode(toPlain(entry)) as YAMLMap;
  for (const key of ['scopes', 'streams']) {
    const list = node.get(key);
    if (isSeq(list)) list.flow = true;
  }
  const digest = node.get('sha256', true);
  if (isScalar(digest)) digest.type = 'QUOTE_DOUBLE';
  return node;
}

/** In the order that people read; what says nothing is left out. */
function toPlain({ name, sha256, certificate, scopes, streams, expires }: TokenEntry): object {
  return {
    name,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(certificate === undefined ? {} : { certificate }),
    scopes: [...scopes],
    ...(streams === null ? {} : { streams: [...streams] }),
    ...(expires === null ? {} : { expires }),
  };
}
