import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConfigPath, describePath } from './path.ts';
import type { ConfigProblem } from './problem.ts';
import type { Config } from './schema.ts';
import type { YamlDocument } from './yaml-document.ts';

/** What the server needs of a file or folder when it starts. */
type Need = 'file' | 'place for a file' | 'place for a folder';

interface NamedFile {
  readonly option: ConfigPath;
  readonly name: string;
  readonly need: Need;
  /** What to do where there is none. */
  readonly remedy: string;
}

/**
 * Looks for the files and folders that a configuration names, as this process's user, and returns what is wrong with them:
 * what must be there and is not, or what the server could not make. Relative names start at `cwd`. Opens and makes nothing.
 */
export async function findNamedFileProblems(
  config: Config,
  document: YamlDocument,
  cwd: string,
): Promise<readonly ConfigProblem[]> {
  const problems = await Promise.all(
    listNamedFiles(config).map(async ({ option, name, need, remedy }) => {
      const path = resolve(cwd, name);
      // What came from the environment may be a secret.
      const shown = document.isSubstituted(option) ? 'the file that is named' : path;
      const fault = await findFault(path, shown, need, remedy);
      return fault === undefined
        ? []
        : [{ place: document.locate(option, 'value'), subject: describePath(option), text: fault }];
    }),
  );
  return problems.flat();
}

function listNamedFiles({ auth, tls, audit, delta_config: delta, ...config }: Config): readonly NamedFile[] {
  const file = (option: ConfigPath, name: string | null, remedy: string, need: Need = 'file') =>
    name === null ? [] : [{ option, name, need, remedy }];
  const correct = 'put it there, or correct the path';
  const extensions = config.duckdb_extensions.flatMap((name, index) =>
    name.endsWith('.duckdb_extension') ? file(['duckdb_extensions', String(index)], name, correct) : [],
  );
  const elsewhere = 'create it, or give another path';
  return [
    ...file(
      ['auth', 'tokens_file'],
      auth.tokens_file,
      'make it (arrowport token create prints its entries), or correct the path',
    ),
    ...file(['auth', 'jwt', 'key_file'], auth.jwt?.key_file ?? null, correct),
    ...file(['tls', 'cert'], tls.cert, correct),
    ...file(['tls', 'key'], tls.key, correct),
    ...file(['tls', 'client_ca'], tls.client_ca, correct),
    ...extensions,
    ...file(
      ['db_path'],
      config.db_path === ':memory:' ? null : config.db_path,
      elsewhere,
      'place for a file',
    ),
    ...file(['audit', 'file'], audit.file, elsewhere, 'place for a file'),
    ...file(['delta_config', 'table_path'], findLocalPath(delta.table_path), elsewhere, 'place for a folder'),
  ];
}

/** Null for an object store. */
function findLocalPath(tablePath: string): string | null {
  if (tablePath.startsWith('file://')) return fileURLToPath(tablePath);
  return tablePath.includes('://') ? null : tablePath;
}

async function findFault(
  path: string,
  shown: string,
  need: Need,
  remedy: string,
): Promise<string | undefined> {
  const kind = await findKind(path);
  if (kind === 'denied') return `${shown} cannot be looked at: permission denied`;
  if (need === 'place for a folder') return findFolderFault(path, shown, kind);
  if (kind === 'folder') return `${shown} is a folder, and a file is needed here: give the path of one`;
  if (need === 'file') {
    if (kind === 'nothing') return `there is no file ${shown}: ${remedy}`;
    return (await mayUse(path, constants.R_OK)) ? undefined : `${shown} cannot be read: permission denied`;
  }
  if (kind === 'file') {
    const both = constants.R_OK | constants.W_OK;
    return (await mayUse(path, both)) ? undefined : `${shown} cannot be written: permission denied`;
  }
  const folder = await findKind(dirname(path));
  if (folder !== 'folder') return `the folder of ${shown} does not exist: ${remedy}`;
  return findUseFault(dirname(path), `the folder of ${shown}`);
}

/** The folder may be missing, and those above it: they are made. */
async function findFolderFault(
  path: string,
  shown: string,
  kind: 'file' | 'folder' | 'nothing',
): Promise<string | undefined> {
  if (kind === 'folder') return findUseFault(path, shown);
  if (kind === 'file') return `${shown} is a file, and a folder is needed here: give another path`;
  let above = dirname(path);
  while ((await findKind(above)) === 'nothing' && above !== dirname(above)) above = dirname(above);
  if ((await findKind(above)) === 'file')
    return `${shown} cannot be made: something above it is a file; give another path`;
  return findUseFault(above, `what is above ${shown}`);
}

async function findUseFault(folder: string, shown: string): Promise<string | undefined> {
  const fault = `${shown} cannot be written: permission denied`;
  return (await mayUse(folder, constants.W_OK | constants.X_OK)) ? undefined : fault;
}

async function findKind(path: string): Promise<'file' | 'folder' | 'nothing' | 'denied'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    return code === 'EACCES' ? 'denied' : 'nothing';
  }
}

async function mayUse(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}
