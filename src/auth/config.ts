import { z } from 'zod';
import { isStreamKey } from '../router/pattern.ts';

const file = z.string().min(1).nullable().default(null);

/** Signatures with a public and a private key; a shared secret is none of them, so a public key can never pass for one. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

const jwtSchema = z
  .strictObject({
    issuer: z.string().min(1).meta({ description: 'What the claim `iss` must be.', restart: true }),
    audience: z.string().min(1).meta({ description: 'What the claim `aud` must be or hold.', restart: true }),
    jwks_url: z.string().min(1).nullable().default(null).meta({
      description:
        'Address of the key set of the issuer (`https://`, or `http://` on this machine), fetched when needed; or give `key_file`.',
      restart: true,
    }),
    key_file: file.meta({
      description:
        'File with the public key of the issuer: PEM, a JWK or a JWK set. Read again when it changes.',
      restart: true,
    }),
    algorithms: z
      .array(z.enum(algorithms))
      .min(1)
      .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
      .meta({
        description: `Signature algorithms that are accepted, of ${algorithms.join(', ')}.`,
        restart: true,
      }),
    scope_claim: z.string().min(1).default('scope').meta({
      description:
        'The claim that holds the scopes `ingest`, `read` and `admin`: text with spaces between them, or a list. Other words in it mean nothing.',
      restart: true,
    }),
    streams_claim: z.string().min(1).nullable().default(null).meta({
      description:
        'The claim that holds patterns of streams and tables, as in `tokens_file`; a token without it may use none. `null`: tokens may use all.',
      restart: true,
    }),
  })
  .superRefine(({ jwks_url, key_file }, context) => {
    const add = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (jwks_url === null && key_file === null) add('jwks_url', 'needs an address here, or a key_file');
    if (jwks_url !== null && key_file !== null) add('key_file', 'give either jwks_url or key_file, not both');
    const fault = jwks_url === null ? undefined : findUrlFault(jwks_url);
    if (fault !== undefined) add('jwks_url', fault);
  });

/** Options of access. */
export const authOptions = {
  auth: z
    .strictObject({
      tokens_file: file.meta({
        description:
          'YAML file of bearer tokens, hashed, with scopes, stream patterns and expiry (`arrowport token create`); a change of the file is live within a second.',
        restart: true,
      }),
      jwt: jwtSchema.nullable().default(null).meta({
        description: 'JSON Web Tokens of an issuer as bearer tokens; `null`: none are accepted.',
        restart: true,
      }),
      public_metrics: z.boolean().default(false).meta({
        description: 'Let `/metrics` be read without credentials.',
      }),
    })
    .prefault({})
    .meta({
      description:
        'Who may call. Without `tokens_file`, `jwt` and `tls.client_ca` every caller may do everything.',
    }),
};

/** The claims of `auth.jwt`, checked. */
export type JwtSettings = Readonly<Omit<z.output<typeof jwtSchema>, 'algorithms'>> & {
  readonly algorithms: readonly string[];
};

const tokenSchema = z
  .strictObject(
    {
      name: z.string('expected the name of the token, as text').regex(/^[^\p{Cc}\u2028\u2029]{1,128}$/u, {
        error: 'expected 1 to 128 characters without control characters',
      }),
      sha256: z
        .string('expected the SHA-256 of the token, as text in quotes')
        .regex(/^[0-9A-Fa-f]{64}$/, {
          error:
            'expected the SHA-256 of the token as 64 hexadecimal digits; never put the token itself into this file',
        })
        .transform((digest) => digest.toLowerCase())
        .optional(),
      certificate: z
        .string('expected the name in a client certificate, as text')
        .min(1, 'expected a common name, or DNS:name or URI:name')
        .optional(),
      scopes: z
        .array(
          z.enum(['ingest', 'read', 'admin'], 'expected ingest, read or admin'),
          'expected a list of scopes',
        )
        .min(1, 'expected at least one of ingest, read, admin'),
      streams: z
        .array(
          z
            .string('expected a pattern of stream names, as text')
            .refine(isStreamKey, 'expected a stream name, with * for any run of characters'),
          'expected a list of patterns; leave streams out for all',
        )
        .nullable()
        .default(null),
      expires: z
        .string('expected a time like 2030-01-31T12:00:00Z')
        .refine(isTime, 'expected a time like 2030-01-31T12:00:00Z')
        .nullable()
        .default(null),
    },
    'expected an entry with name, sha256 and scopes',
  )
  .superRefine(({ sha256, certificate }, context) => {
    if ((sha256 === undefined) === (certificate === undefined))
      context.addIssue({ code: 'custom', message: 'give either sha256 or certificate' });
  });

/** The document in `auth.tokens_file`. */
export const tokensFileSchema = z.strictObject(
  { tokens: z.array(tokenSchema, 'expected a list of tokens') },
  'expected tokens: and a list of tokens',
);

/** One entry of `auth.tokens_file`, checked. */
export type TokenEntry = Readonly<z.output<typeof tokenSchema>>;

function isTime(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) &&
    Number.isFinite(Date.parse(text))
  );
}

function findUrlFault(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return 'expected an address like https://issuer.example/keys';
  if (url.username !== '' || url.password !== '') return 'may hold no user name and no password';
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)) return undefined;
  return 'expected an https:// address: whoever can change the keys on their way can make tokens';
}
