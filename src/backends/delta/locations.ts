import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isStreamName } from '../../core/stream-name.ts';
import { ArrowportError } from '../../errors.ts';
import type { TableLocation } from './worker-client.ts';

/** Where all tables are: `delta_config.table_path` with its `storage_options`. */
export interface TableRoot {
  /** The place of the root itself. */
  readonly location: TableLocation;
  /** The place of a table. Throws OPTION_INVALID for a name that breaks the rule; no name leaves the root. */
  table(name: string): TableLocation;
}

/** Names that would be mistaken for parts of a table. */
const RESERVED = new Set(['_delta_log', '_arrowport', '_change_data']);

/** Reads the root from the configuration; a relative path starts at the working folder. */
export function createTableRoot(
  tablePath: string,
  storageOptions: Readonly<Record<string, string>>,
): TableRoot {
  const remote = isRemote(tablePath);
  const uri = remote ? tablePath.replace(/\/+$/, '') : localPath(tablePath);
  const options = remote ? storeOptions(uri, storageOptions) : {};
  return {
    location: { uri, options },
    table: (name) => ({ uri: `${uri === '/' ? '' : uri}/${readTableName(name)}`, options }),
  };
}

/** Returns the name as it is. Throws OPTION_INVALID when it may not name a Delta table. */
export function readTableName(name: string): string {
  if (RESERVED.has(name.toLowerCase()))
    throw new ArrowportError(
      'OPTION_INVALID',
      `${JSON.stringify(name)} is no Delta table name: Delta keeps it for parts of a table. Choose another one.`,
    );
  if (isStreamName(name)) return name;
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  throw new ArrowportError(
    'OPTION_INVALID',
    `${JSON.stringify(shown)} is no Delta table name: use 1 to 128 characters of A-Z a-z 0-9 _ - . that start with a letter, a digit or _.`,
  );
}

function isRemote(path: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(path) && !path.startsWith('file://');
}

function localPath(path: string): string {
  return path.startsWith('file://') ? fileURLToPath(path) : resolve(path);
}

/** A store that does not answer is given up within the time that a client waits; delta-rs itself tries for three minutes. */
const RETRY_DEFAULTS: Readonly<Record<string, string>> = { max_retries: '6', retry_timeout: '20s' };

const S3_NAMES: Readonly<Record<string, string>> = {
  endpoint: 'AWS_ENDPOINT_URL',
  endpoint_url: 'AWS_ENDPOINT_URL',
  region: 'AWS_REGION',
  access_key_id: 'AWS_ACCESS_KEY_ID',
  secret_access_key: 'AWS_SECRET_ACCESS_KEY',
  session_token: 'AWS_SESSION_TOKEN',
  allow_http: 'AWS_ALLOW_HTTP',
};

/** The options under the names that delta-rs reads, short names included. */
function storeOptions(
  uri: string,
  options: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (!/^s3a?:/.test(uri)) return { ...RETRY_DEFAULTS, ...options };
  const named: Record<string, string> = { ...RETRY_DEFAULTS };
  for (const [name, value] of Object.entries(options)) {
    if (name.toLowerCase() === 'path_style_access') {
      named['AWS_VIRTUAL_HOSTED_STYLE_REQUEST'] = value === 'true' ? 'false' : 'true';
    } else {
      named[S3_NAMES[name.toLowerCase()] ?? name] = value;
    }
  }
  return named;
}
