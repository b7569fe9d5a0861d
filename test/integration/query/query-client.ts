import { createHash } from 'node:crypto';
import { startServer, type TestServer } from '../../support/server.ts';
import type { CleanupOwner } from '../../support/temp-folder.ts';

/** The tokens of a server with auth, by what they may do. */
export const tokens = {
  reader: 'token-of-a-reader',
  admin: 'token-of-an-admin',
  partner: 'token-of-a-partner',
};

/** A problem document, or rows in JSON. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly code?: string;
  readonly detail?: string;
  readonly position?: number;
  readonly columns?: readonly { name: string; type: string }[];
  readonly rows?: readonly (readonly unknown[])[];
  readonly row_count?: number;
  readonly truncated?: boolean;
}

/** Starts a server that knows a reader, an admin, and a partner who may read tables named `public*`. */
export function startGuardedServer(owner: CleanupOwner, config = ''): Promise<TestServer> {
  const digest = (token: string) => createHash('sha256').update(token).digest('hex');
  return startServer(owner, {
    config: `auth: {tokens_file: ./tokens.yaml}\n${config}`,
    files: {
      'tokens.yaml': `tokens:
  - {name: reader, sha256: ${digest(tokens.reader)}, scopes: [read], streams: ["*"]}
  - {name: admin, sha256: ${digest(tokens.admin)}, scopes: [ingest, read, admin], streams: ["*"]}
  - {name: partner, sha256: ${digest(tokens.partner)}, scopes: [read], streams: ["public*"]}
`,
    },
  });
}

/** POSTs a statement and reads the answer as JSON. */
export async function ask(
  server: Pick<TestServer, 'url'>,
  sql: string,
  options: { token?: string; parameters?: unknown; query?: string } = {},
): Promise<JsonAnswer> {
  const response = await fetch(`${server.url}/query${options.query ?? ''}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
    },
    body: JSON.stringify({
      sql,
      ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
    }),
  });
  const text = await response.text();
  return { ...(JSON.parse(text) as object), status: response.status, headers: response.headers };
}
