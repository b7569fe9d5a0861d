import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHttpEndpoint } from '../../src/endpoints/http/endpoint.ts';
import {
  describeSchema,
  type ListedOperation,
  listOperations,
  type OpenApiDocument,
  type SchemaObject,
} from '../../src/endpoints/http/openapi-document.ts';
import { createLogger } from '../../src/telemetry/logger.ts';

const document = await describeApi();

/** The document `docs/reference/openapi.json`, as the server itself serves it. */
export function renderOpenApi(): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** The page `docs/reference/http.md`, rendered from the OpenAPI document. */
export function renderHttpPage(): string {
  const operations = listOperations(document);
  const schemas = Object.entries(document.components.schemas);
  return `# HTTP

What the server answers over HTTP. A running server has the same as \`GET /docs\` (a page) and \`GET /openapi.json\` (OpenAPI 3.1,
also in [openapi.json](openapi.json)).

- A trailing slash makes no difference, and HEAD works where GET does.
- Every answer has the header \`x-request-id\`: the client's own where it sent 1 to 128 of \`A-Z a-z 0-9 . _ : / + = @ -\`, else a new one.
- Errors are \`application/problem+json\` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)); the codes and what to do about them are
  in [Errors](errors.md). What HTTP itself has a word for (404 of an unknown path, 405 with \`Allow\`, 400 of bytes that are no request,
  408, 431) is a problem of type \`about:blank\` with the nearest \`code\`.
- 429 and 503 carry \`Retry-After\`, 1 to 30 whole seconds; \`retry_after_ms\` in the problem is finer.
- A refused body is not read; up to 256 MiB or 10 s of it are dropped, so that a client that is still sending gets to read the
  answer, then the connection is closed. A client that sends \`Expect: 100-continue\` is told to go on only when its body is wanted.
- Query parameters that a route of \`/ingest\`, \`/stream\` or \`/delta\` does not know are \`OPTION_INVALID\`.

| route | does |
|---|---|
${operations.map(({ method, path, operation }) => `| \`${method} ${path}\` | ${operation.summary} |`).join('\n')}

${operations.map(renderOperation).join('\n')}
## Schemas

Fields with a star are always there.

${schemas.map(([name, schema]) => renderSchema(name, schema)).join('\n')}`;
}

async function describeApi(): Promise<OpenApiDocument> {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  const unused = () => Promise.reject(new Error('The API is only described here.'));
  const ignore = () => {};
  const endpoint = createHttpEndpoint({
    ingestor: { ingest: unused },
    directory: { list: unused, find: unused },
    delta: { tables: unused, changed: ignore },
    migrator: { migrate: unused },
    queries: {
      prepare: unused,
      run: unused,
      runUpdate: unused,
      exportParquet: unused,
      listTables: unused,
      listSchemas: unused,
      listKeys: unused,
      listColumns: unused,
      describeTable: unused,
      splitRead: unused,
      openSession: unused,
      setDraining: unused,
      close: unused,
    },
    operations: { version, reload: unused, readiness: unused, metricsText: unused },
    observer: {
      streamOpened: ignore,
      batchReceived: ignore,
      batchDecoded: ignore,
      loadCommitted: ignore,
      loadFailed: ignore,
      streamClosed: ignore,
      requestFailed: ignore,
      admissionRejected: ignore,
      inflightBytes: ignore,
    },
    logger: createLogger({ level: 'silent', format: 'json' }).logger,
    connections: { inc: ignore, dec: ignore },
    settings: () => ({
      maxBodyBytes: null,
      idleTimeoutSeconds: 0,
      maxMessageBytes: 0,
      maxDecompressedRatio: 1,
    }),
  });
  await endpoint.ready();
  const described: OpenApiDocument = JSON.parse(JSON.stringify(endpoint.describe()));
  await endpoint.stop(0);
  return described;
}

function renderOperation({ method, path, operation }: ListedOperation): string {
  const parameters = operation.parameters ?? [];
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const parts = [
    `## \`${method} ${path}\`\n`,
    `${operation.summary}. ${operation.description ?? ''}`.trim(),
    '',
  ];
  if (parameters.length > 0) {
    parts.push('| parameter | in | meaning |', '|---|---|---|');
    for (const { name, in: place, description } of parameters) {
      parts.push(`| \`${name}\` | ${place} | ${cell(description ?? '')} |`);
    }
    parts.push('');
  }
  if (bodies.length > 0) {
    const listed = bodies.map(([type, media]) => `\`${type}\`${renderMediaSchema(media.schema)}`);
    parts.push(`Body: ${listed.join(', ')}.`, '');
  }
  parts.push('| status | when | body |', '|---|---|---|');
  for (const [status, response] of Object.entries(operation.responses)) {
    const content = Object.entries(response.content ?? {}).map(
      ([type, media]) => `\`${type}\`${renderMediaSchema(media.schema)}`,
    );
    parts.push(`| ${status} | ${markCodes(cell(response.description))} | ${content.join(', ')} |`);
  }
  return `${parts.join('\n')}\n`;
}

function renderMediaSchema(schema: SchemaObject | undefined): string {
  if (schema?.$ref === undefined) return '';
  const name = describeSchema(schema);
  return ` ([${name}](#${name.toLowerCase()}))`;
}

function renderSchema(name: string, schema: SchemaObject): string {
  const rows = Object.entries(schema.properties ?? {}).map(([property, value]) => {
    const star = schema.required?.includes(property) === true ? ' *' : '';
    return `| \`${property}\`${star} | ${cell(describeSchema(value))} | ${cell(value.description ?? '')} |`;
  });
  return `### ${name}

${schema.description ?? ''}

| field | type | meaning |
|---|---|---|
${rows.join('\n')}
`;
}

function markCodes(text: string): string {
  return text.replace(/\b[A-Z]+(?:_[A-Z]+)*(?=: )/g, '`$&`');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
