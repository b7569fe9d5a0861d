import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate with its private key, both PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority that signs certificates for servers and clients. */
export interface TestAuthority {
  /** PEM. */
  readonly cert: string;
  issue(options?: IssueOptions): TestCertificate;
}

/** What a certificate says; a server's on the loopback by default. */
export interface IssueOptions {
  readonly commonName?: string;
  readonly dnsNames?: readonly string[];
  /** IPv4 addresses; the loopback by default. */
  readonly addresses?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;
const ECDSA_SHA256 = sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));

/** Makes an authority of its own, so that nothing else on the machine trusts it. */
export function createTestAuthority(commonName = 'Test Authority'): TestAuthority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = name(commonName);
  const isAuthority = extension([0x55, 0x1d, 0x13], sequence(tlv(0x01, Buffer.from([0xff]))));
  const cert = build({ issuer, subject: issuer, publicKey, signer: privateKey, extensions: [isAuthority] });
  return {
    cert,
    issue({
      commonName: subject = 'localhost',
      dnsNames = ['localhost'],
      addresses = ['127.0.0.1'],
      ...validity
    } = {}) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = [
        ...dnsNames.map((dns) => tlv(0x82, Buffer.from(dns))),
        ...addresses.map((address) => tlv(0x87, Buffer.from(address.split('.').map(Number)))),
      ];
      const extensions = [extension([0x55, 0x1d, 0x11], sequence(...names))];
      const parts = {
        issuer,
        subject: name(subject),
        publicKey: pair.publicKey,
        signer: privateKey,
        extensions,
      };
      return {
        cert: build({ ...parts, ...validity }),
        key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

interface CertificateParts extends Pick<IssueOptions, 'notBefore' | 'notAfter'> {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
}

/** @see https://www.rfc-editor.org/rfc/rfc5280#section-4.1 */
function build(parts: CertificateParts): string {
  const { notBefore = new Date(Date.now() - DAY_MS), notAfter = new Date(Date.now() + DAY_MS) } = parts;
  const serial = randomBytes(8);
  serial[0] = 0x01;
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ECDSA_SHA256,
    parts.issuer,
    sequence(time(notBefore), time(notAfter)),
    parts.subject,
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...parts.extensions)),
  );
  const signature = sign('sha256', body, parts.signer);
  const der = sequence(body, ECDSA_SHA256, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function tlv(tag: number, ...content: readonly Buffer[]): Buffer {
  const value = Buffer.concat(content);
  const { length } = value;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function sequence(...content: readonly Buffer[]): Buffer {
  return tlv(0x30, ...content);
}

function oid(bytes: readonly number[]): Buffer {
  return tlv(0x06, Buffer.from(bytes));
}

function name(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid([0x55, 0x04, 0x03]), tlv(0x0c, Buffer.from(commonName)))));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return sequence(oid(id), tlv(0x04, value));
}

function time(date: Date): Buffer {
  const [day = '', clock = ''] = date.toISOString().split('T');
  return tlv(
    0x17,
    Buffer.from(`${day.replaceAll('-', '').slice(2)}${clock.replaceAll(':', '').slice(0, 6)}Z`),
  );
}
