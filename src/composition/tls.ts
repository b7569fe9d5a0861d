import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Config } from '../config/schema.ts';
import type { TlsMaterial } from '../endpoints/port.ts';
import { ArrowportError } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';

const MAX_FILE_BYTES = 1_048_576;

type TlsConfig = Config['tls'];

/** The files that the section names, absolute. */
export function listTlsFiles(tls: TlsConfig, cwd: string): readonly string[] {
  return [tls.cert, tls.key, tls.client_ca].flatMap((file) => (file === null ? [] : [resolve(cwd, file)]));
}

/**
 * Reads the files of `tls` and checks that they fit together; null where there is no TLS. Throws CONFIG_INVALID, in words
 * that repeat nothing of the files. A certificate that is out of its time is told to the log, and used.
 */
export async function readTlsMaterial(
  tls: TlsConfig,
  cwd: string,
  logger: Pick<Logger, 'warn'>,
): Promise<TlsMaterial | null> {
  if (tls.cert === null || tls.key === null) return null;
  // One after the other, so that of several that are wrong the first is told.
  const cert = await readPem('cert', tls.cert, cwd);
  const key = await readPem('key', tls.key, cwd);
  const clientCa = tls.client_ca === null ? null : await readPem('client_ca', tls.client_ca, cwd);
  const certificate = checkCertificate('cert', tls.cert, cert);
  if (tls.client_ca !== null && clientCa !== null) checkCertificate('client_ca', tls.client_ca, clientCa);
  checkPair({ cert, key, clientCa }, tls.key);
  const [from, to] = [certificate.validFromDate, certificate.validToDate];
  if (Date.now() < from.getTime() || Date.now() > to.getTime()) {
    logger.warn(
      { valid_from: from.toISOString(), valid_to: to.toISOString() },
      `tls.cert: the certificate in ${tls.cert} is out of its time: clients will refuse it`,
    );
  }
  return { cert, key, clientCa };
}

async function readPem(key: string, file: string, cwd: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(resolve(cwd, file), 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw invalid(`tls.${key}: the file ${file} cannot be read: ${reasons[code] ?? code}`, cause);
  }
  if (text.length <= MAX_FILE_BYTES) return text;
  throw invalid(`tls.${key}: the file ${file} is over 1 MiB, which no PEM file is`);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'this is a folder',
};

function checkCertificate(key: string, file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw invalid(`tls.${key}: the file ${file} does not begin with a certificate in PEM`, cause);
  }
}

function checkPair({ cert, key, clientCa }: TlsMaterial, file: string): void {
  try {
    createSecureContext({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const reason = code.includes('MISMATCH')
      ? 'is not the key of the certificate in tls.cert'
      : /BAD_DECRYPT|BAD_PASSWORD|PASSWORD/.test(code)
        ? 'is locked with a passphrase: store it without one'
        : 'holds no private key in PEM';
    throw invalid(`tls.key: the file ${file} ${reason}`, cause);
  }
}

function invalid(message: string, cause?: unknown): ArrowportError {
  return new ArrowportError('CONFIG_INVALID', message, cause === undefined ? {} : { cause });
}
