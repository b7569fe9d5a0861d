import { resolve } from 'node:path';
import { createAuthenticator } from '../auth/authenticator.ts';
import type { IssuerKeys, JwtVerifier } from '../auth/jwt.ts';
import { createTokenTable, type TokenTable } from '../auth/token-table.ts';
import { findConfigText } from '../config/config-file.ts';
import type { Config } from '../config/schema.ts';
import { readTokensFile } from '../config/tokens-file.ts';
import { watchConfig } from '../config/watch.ts';
import { type Authenticator, openDoor } from '../core/auth.ts';
import type { TlsMaterial } from '../endpoints/port.ts';
import { ArrowportError, toArrowportError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { listTlsFiles, readTlsMaterial } from './tls.ts';

/** What the guarded side of a server is made of. */
export interface AuthSideOptions {
  config(): Config;
  /** What relative file names start from. */
  readonly cwd: string;
  readonly logger: Logger;
}

/** Who may call, and what connections are encrypted with: read from files, and again when they change. */
export interface AuthSide {
  readonly authenticator: Authenticator;
  /** Reads every file for the first time. Throws CONFIG_INVALID. */
  open(): Promise<void>;
  /** What connections are encrypted with; null: nothing. After `open`. */
  tls(): TlsMaterial | null;
  /** Tells the log what everyone should know who lets a server listen beyond its machine. After `open`. */
  tellRisk(host: string): void;
  /** Reads every file again, now. Throws the first CONFIG_INVALID; what is in force is kept for each file that does not check. */
  reload(): Promise<void>;
  /** Reads files again whenever they change; `onTls` hears of other certificates. `since` as for `watchConfig`. */
  watch(since: number, onTls: (material: TlsMaterial) => void): void;
  close(): void;
}

/** One of the things that are read from files, with what is said when it is read again. */
interface Source {
  readonly files: readonly string[];
  read(): Promise<void>;
  /** For the log: `tokens`, `certificates`. */
  readonly what: string;
}

/** What the files say, as far as they were good. */
interface State {
  tokens: TokenTable | null;
  jwt: JwtVerifier | null;
  tls: TlsMaterial | null;
  onTls(material: TlsMaterial): void;
}

/** Makes the guarded side of a server; without any of its options everyone may do everything, unencrypted. */
export function createAuthSide(options: AuthSideOptions): AuthSide {
  const { auth, tls } = options.config();
  const state: State = { tokens: null, jwt: null, tls: null, onTls: () => undefined };
  const sources = listSources(options, state);
  let watch: { close(): void } | null = null;

  /** Reads every source, and returns the first error; each is told to the log. */
  const readAgain = async (): Promise<ArrowportError | undefined> => {
    const errors = await Promise.all(
      sources.map(async ({ what, read }) => {
        try {
          await read();
          return undefined;
        } catch (thrown) {
          return tellRejected(options.logger, what, toArrowportError(thrown));
        }
      }),
    );
    return errors.find((error) => error !== undefined);
  };

  const isEnabled = auth.tokens_file !== null || auth.jwt !== null || tls.client_ca !== null;
  return {
    authenticator: isEnabled
      ? createAuthenticator({
          tokens: () => state.tokens,
          jwt: () => state.jwt,
          hasPublicMetrics: () => options.config().auth.public_metrics,
        })
      : openDoor,
    async open() {
      for (const { read } of sources) await read();
    },
    tls: () => state.tls,
    tellRisk(host) {
      const { logger } = options;
      if (!isEnabled) {
        const risk = `anyone who reaches ${host} may read and write: access is not restricted`;
        logger.warn(
          { host },
          `${risk}; set auth.tokens_file, or host to 127.0.0.1 to listen on this machine only`,
        );
      } else if (state.tls === null) {
        logger.info(
          { host },
          'connections are not encrypted: set tls.cert and tls.key, unless something in front does',
        );
      }
    },
    async reload() {
      const error = await readAgain();
      if (error !== undefined) throw error;
    },
    watch(since, onTls) {
      state.onTls = onTls;
      const files = sources.flatMap((source) => source.files);
      if (files.length === 0) return;
      watch = watchConfig(
        () => files,
        () => void readAgain(),
        { since },
      );
    },
    close() {
      watch?.close();
    },
  };
}

function listSources({ config, cwd, logger }: AuthSideOptions, state: State): readonly Source[] {
  const { auth, tls } = config();
  const { tokens_file: tokensFile, jwt } = auth;
  const sources: Source[] = [];
  if (tokensFile !== null) {
    const path = resolve(cwd, tokensFile);
    const read = async () => {
      state.tokens = createTokenTable(await readTokensFile(path, tokensFile));
      logger.info({ tokens: state.tokens.size }, 'tokens read');
    };
    sources.push({ what: 'tokens', files: [path], read });
  }
  if (jwt !== null) {
    const { jwks_url: url, key_file: keyFile } = jwt;
    const read = async () => {
      // A server that needs no JWTs does not load what verifies them.
      const { createJwtVerifier, createRemoteKeys } = await import('../auth/jwt.ts');
      if (keyFile !== null)
        state.jwt = createJwtVerifier(jwt, await readKeyFile(resolve(cwd, keyFile), keyFile));
      else if (url !== null) state.jwt ??= createJwtVerifier(jwt, createRemoteKeys(url));
    };
    const files = keyFile === null ? [] : [resolve(cwd, keyFile)];
    sources.push({ what: 'the key of auth.jwt', files, read });
  }
  if (tls.cert !== null) {
    const read = async () => {
      state.tls = await readTlsMaterial(tls, cwd, logger);
      if (state.tls !== null) state.onTls(state.tls);
    };
    sources.push({ what: 'certificates', files: listTlsFiles(tls, cwd), read });
  }
  return sources;
}

/** Reads the file of `auth.jwt.key_file`, which messages call `shownName`. Throws CONFIG_INVALID. */
export async function readKeyFile(path: string, shownName: string): Promise<IssuerKeys> {
  const refuse = (reason: string, cause?: unknown) =>
    new ArrowportError('CONFIG_INVALID', `auth.jwt.key_file: ${shownName}: ${reason}`, { cause });
  const text = await findConfigText(path, shownName);
  if (text === undefined) throw refuse('there is no such file');
  const { readKeys } = await import('../auth/jwt.ts');
  try {
    return readKeys(text);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : 'the file cannot be used');
  }
}

function tellRejected(logger: Logger, what: string, error: ArrowportError): ArrowportError {
  const { line, position } = error.details;
  logger.error(
    { code: error.code, detail: error.message, line, position },
    `${what} rejected, those in force are kept: ${error.message}`,
  );
  return error;
}
