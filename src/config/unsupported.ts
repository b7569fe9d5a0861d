import { ArrowportError } from '../errors.ts';
import type { Config } from './schema.ts';

/** Throws CONFIG_INVALID for keys that protect a server and that this version does not act on: none is passed over in silence. */
export function refuseUnsupported({ auth, tls }: Config): void {
  const refuse = (key: string, consequence: string) => {
    throw new ArrowportError(
      'CONFIG_INVALID',
      `${key}: this version ${consequence}; leave the key out, and guard the port by other means`,
    );
  };
  if (auth.tokens_file !== null) refuse('auth.tokens_file', 'does not check tokens');
  if (tls.cert !== null) refuse('tls.cert', 'does not speak TLS');
}
