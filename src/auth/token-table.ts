import { timingSafeEqual } from 'node:crypto';
import type { Caller, ClientCertificate } from '../core/auth.ts';
import { createCaller } from './callers.ts';
import type { TokenEntry } from './config.ts';

/** A caller with the time its entry ends, in epoch milliseconds; infinite where it does not. */
export interface TimedCaller {
  readonly caller: Caller;
  readonly expiresAt: number;
}

/** The callers of one state of the token file; immutable. */
export interface TokenTable {
  readonly size: number;
  /** Finds a caller by the SHA-256 of a token, in a time that does not depend on how much of it is right. */
  findByDigest(digest: Buffer): TimedCaller | undefined;
  findByCertificate(certificate: ClientCertificate): TimedCaller | undefined;
}

interface HashedCaller extends TimedCaller {
  readonly digest: Buffer;
}

/** Makes the table of checked entries. */
export function createTokenTable(entries: readonly TokenEntry[]): TokenTable {
  const byStart = new Map<number, HashedCaller[]>();
  const byCertificate = new Map<string, TimedCaller>();
  for (const entry of entries) {
    const timed = {
      caller: createCaller(entry),
      expiresAt: entry.expires === null ? Number.POSITIVE_INFINITY : Date.parse(entry.expires),
    };
    if (entry.certificate !== undefined) byCertificate.set(entry.certificate, timed);
    if (entry.sha256 === undefined) continue;
    const digest = Buffer.from(entry.sha256, 'hex');
    const start = digest.readUInt32LE(0);
    byStart.set(start, [...(byStart.get(start) ?? []), { ...timed, digest }]);
  }
  return {
    size: entries.length,
    // The map is asked for a few bits of a hash, which nobody can steer towards those of an unknown token.
    findByDigest: (digest) =>
      byStart.get(digest.readUInt32LE(0))?.find((hashed) => timingSafeEqual(hashed.digest, digest)),
    findByCertificate: ({ commonName, alternativeNames }) =>
      [commonName, ...alternativeNames]
        .map((name) => byCertificate.get(name))
        .find((timed) => timed !== undefined),
  };
}
