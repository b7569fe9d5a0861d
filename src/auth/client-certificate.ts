import { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../core/auth.ts';

const known = new WeakMap<object, ClientCertificate | null>();

/** Whom the certificate of a connection names, if the connection is encrypted and its certificate was verified; read once. */
export function findClientCertificate(socket: object | null | undefined): ClientCertificate | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const found = known.get(socket);
  if (found !== undefined) return found;
  const certificate = readCertificate(socket);
  known.set(socket, certificate);
  return certificate;
}

function readCertificate(socket: TLSSocket): ClientCertificate | null {
  const { subject, subjectaltname } = socket.getPeerCertificate();
  if (subject === undefined) return null;
  const commonName = [subject.CN].flat()[0] ?? '';
  return { commonName, alternativeNames: splitNames(subjectaltname) };
}

/** Names that hold a comma or a quote come as JSON strings, so that none can pass for two. */
function splitNames(names: string | undefined): readonly string[] {
  const found: string[] = [];
  for (const [, kind, quoted, plain] of (names ?? '').matchAll(/([\w ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))/g)) {
    found.push(`${kind?.trim()}:${quoted === undefined ? plain : JSON.parse(quoted)}`);
  }
  return found;
}
