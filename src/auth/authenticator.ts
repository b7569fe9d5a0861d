import { hash } from 'node:crypto';
import type { Authenticator, Caller, ClientCertificate } from '../core/auth.ts';
import { findBearerToken, unauthenticated } from './bearer.ts';
import { createCaller } from './callers.ts';
import type { JwtVerifier } from './jwt.ts';
import type { TimedCaller, TokenTable } from './token-table.ts';

/**
 * What callers are told by; each is asked anew for every request, so that a reload counts from the next one on. With
 * neither tokens nor JWTs the client certificate is all that is asked for.
 */
export interface AuthenticatorOptions {
  /** The token file in force; null where there is none. */
  tokens(): TokenTable | null;
  /** Null where no JWTs are accepted. */
  jwt(): JwtVerifier | null;
  hasPublicMetrics(): boolean;
  /** Epoch milliseconds; the system's clock when left out. */
  now?(): number;
}

/** Makes the authenticator of a server whose callers must be known. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const now = options.now ?? Date.now;
  const admit = ({ caller, expiresAt }: TimedCaller): Caller => {
    if (now() < expiresAt) return caller;
    throw unauthenticated(`The credentials of "${caller.name}" have expired.`);
  };

  const isCertificateEnough = () => options.tokens() === null && options.jwt() === null;

  const admitCertificate = (certificate: ClientCertificate): Caller | undefined => {
    if (isCertificateEnough()) return createCertificateCaller(certificate);
    const found = options.tokens()?.findByCertificate(certificate);
    return found === undefined ? undefined : admit(found);
  };

  return {
    isEnabled: true,
    get hasPublicMetrics() {
      return options.hasPublicMetrics();
    },
    authenticate({ authorization, certificate }) {
      const token = isCertificateEnough() ? null : findBearerToken(authorization);
      if (token === null) {
        const caller = certificate === null ? undefined : admitCertificate(certificate);
        if (caller !== undefined) return caller;
        throw unauthenticated('This needs credentials: send Authorization with "Bearer" and a token.');
      }
      const digest = hash('sha256', token, 'buffer');
      const found = options.tokens()?.findByDigest(digest);
      if (found !== undefined) return admit(found);
      const jwt = options.jwt();
      if (jwt?.isToken(token)) return jwt.verify(token, digest);
      throw unauthenticated('The token is not known here.');
    },
  };
}

function createCertificateCaller({ commonName, alternativeNames }: ClientCertificate): Caller {
  const name = (commonName || alternativeNames[0]) ?? 'certificate';
  return createCaller({ name, scopes: ['ingest', 'read', 'admin'], streams: null });
}
