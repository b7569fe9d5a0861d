import { z } from 'zod';

const file = z.string().min(1).nullable().default(null);

/** Options of the shared listener and of shutting down. */
export const httpOptions = {
  host: z.string().min(1).default('127.0.0.1').meta({
    description:
      'Address to listen on. The built-in default takes connections from this machine only; `0.0.0.0` takes them from everywhere.',
    restart: true,
  }),
  port: z.int().min(0).max(65_535).default(8888).meta({
    description: 'Port of HTTP, and of Flight where `flight_port` is `null`; 0: any free one.',
    restart: true,
  }),
  tls: z
    .strictObject({
      cert: file.meta({
        description:
          "PEM file of the certificate chain, the server's own first; `null`: no TLS. The files of this section are read again when they change.",
        restart: true,
      }),
      key: file.meta({ description: 'PEM file of the private key, without a passphrase.', restart: true }),
      client_ca: file.meta({
        description:
          'PEM file of the authorities whose client certificates are accepted: every connection must then show one. `null`: none is asked for.',
        restart: true,
      }),
    })
    .superRefine(({ cert, key, client_ca }, context) => {
      const add = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: [path], message });
      if (cert !== null && key === null) add('cert', 'needs tls.key beside it');
      if (key !== null && cert === null) add('key', 'needs tls.cert beside it');
      if (client_ca !== null && cert === null) add('client_ca', 'needs tls.cert and tls.key beside it');
    })
    .prefault({})
    .meta({ description: 'Encryption of the listener: HTTP and Flight alike, TLS 1.2 and later.' }),
  shutdown_grace_seconds: z.int().min(0).max(86_400).default(30).meta({
    description: 'How long running loads may take to finish when the server is asked to stop.',
  }),
};
