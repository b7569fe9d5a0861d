import { z } from 'zod';

const file = z.string().min(1).nullable().default(null);

/** Options of the shared listener, of access and of shutting down. */
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
  auth: z
    .strictObject({
      tokens_file: file.meta({
        description:
          'YAML file of bearer tokens (hashed, with scopes and stream patterns), which this version does not check: it refuses to start with one; `null`: every caller may do everything.',
        restart: true,
      }),
      public_metrics: z.boolean().default(false).meta({
        description: 'Let `/metrics` be read without a token.',
        restart: true,
      }),
    })
    .prefault({})
    .meta({ description: 'Who may call.' }),
  tls: z
    .strictObject({
      cert: file.meta({ description: 'PEM file of the certificate chain; `null`: no TLS.', restart: true }),
      key: file.meta({ description: 'PEM file of the private key.', restart: true }),
      client_ca: file.meta({
        description: 'PEM file of the authorities whose client certificates are asked for; `null`: none are.',
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
    .meta({ description: 'Encryption of the listener.' }),
  shutdown_grace_seconds: z.int().min(0).max(86_400).default(30).meta({
    description: 'How long running loads may take to finish when the server is asked to stop.',
  }),
};
