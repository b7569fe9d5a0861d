import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { RouteAccess } from './access.ts';
import { deltaSharedSchemas } from './delta-json-schemas.ts';
import { renderDocsPage } from './docs-page.ts';
import { sharedSchemas } from './json-schemas.ts';
import { docsSchema, openApiSchema } from './route-schemas.ts';

/** Collects the descriptions of routes that are registered from now on; the schemas they share come with it. */
export function collectOpenApi(app: FastifyInstance, version: string): void {
  for (const schema of [...sharedSchemas, ...deltaSharedSchemas]) app.addSchema(schema);
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Arrowport',
        version,
        description:
          'Arrow in, tables out: a stream that is posted here is one transaction, and the answer is a receipt for rows that are durable. Errors are RFC 9457 problem documents.',
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              'A token of `auth.tokens_file`, or a JSON Web Token. Not asked for while auth is off.',
          },
        },
      },
      security: [{ bearer: [] }, {}],
      tags: [
        { name: 'Ingest', description: 'Arrow in.' },
        { name: 'Queries', description: 'SQL over what was loaded.' },
        { name: 'Delta', description: 'Delta tables: loads, rows of any version, changes, upkeep.' },
        { name: 'Streams', description: 'What is routed where, and what landed.' },
        { name: 'Operations', description: 'Health, metrics, configuration, this description.' },
      ],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json['$id'] === 'string' ? json['$id'] : `Schema${index}`,
    },
  });
}

/** Whoever has credentials of any scope may read what there is. */
const known: { access: RouteAccess } = { access: { scopes: [] } };

/** Registers `GET /openapi.json` and `GET /docs`, both made once, when first asked for; a browser that opens `/` is sent there. */
export function registerOpenApiRoutes(app: FastifyInstance): void {
  let json: string | undefined;
  let page: string | undefined;
  const readJson = () => {
    json ??= JSON.stringify(app.swagger());
    return json;
  };
  app.get('/', { schema: { hide: true }, config: known }, async (_request, reply) => reply.redirect('docs'));
  app.get('/openapi.json', { schema: openApiSchema, config: known }, async (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send(readJson()),
  );
  app.get('/docs', { schema: docsSchema, config: known }, async (_request, reply) => {
    page ??= renderDocsPage(JSON.parse(readJson()));
    return reply.header('content-type', 'text/html; charset=utf-8').send(page);
  });
}
