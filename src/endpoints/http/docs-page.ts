import { errorTable } from '../../errors.ts';
import {
  describeSchema,
  findReference,
  type ListedOperation,
  listOperations,
  type OpenApiDocument,
  type SchemaObject,
} from './openapi-document.ts';

/** Renders the page of `GET /docs`: one file, no scripts, nothing loaded from anywhere. */
export function renderDocsPage(document: OpenApiDocument): string {
  const { title, version, description } = document.info;
  const operations = listOperations(document);
  const schemas = Object.entries(document.components.schemas);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} ${escapeHtml(version)}</title>
<style>${STYLE}</style>
</head>
<body>
<nav><strong>${escapeHtml(title)}</strong> ${escapeHtml(version)}
<ul>${operations.map(renderLink).join('')}</ul>
<ul><li><a href="#schemas">Schemas</a></li><li><a href="#errors">Errors</a></li><li><a href="openapi.json">openapi.json</a></li></ul>
</nav>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(description)}</p>
${operations.map(renderOperation).join('\n')}
<h2 id="schemas">Schemas</h2>
${schemas.map(([name, schema]) => renderSchema(name, schema)).join('\n')}
<h2 id="errors">Errors</h2>
<p>Every error is an <code>application/problem+json</code> document (<a href="#schema-Problem">Problem</a>). <code>rejected</code>: do not send it again as it is. <code>retryable</code>: nothing was written, send it again. <code>unknown</code>: the commit may have happened, send it again with the same Idempotency-Key.</p>
${renderErrors()}
</main>
</body>
</html>
`;
}

function renderLink({ method, path }: ListedOperation): string {
  return `<li><a href="#${anchor(method, path)}"><b>${method}</b> ${escapeHtml(path)}</a></li>`;
}

function renderOperation({ method, path, operation }: ListedOperation): string {
  const parameters = operation.parameters ?? [];
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const rows = Object.entries(operation.responses).map(
    ([status, response]) =>
      `<tr><td><code>${escapeHtml(status)}</code></td><td>${linkCodes(escapeHtml(response.description))}</td><td>${renderContent(response.content)}</td></tr>`,
  );
  return `<section id="${anchor(method, path)}">
<h3><b>${method}</b> <code>${escapeHtml(path)}</code></h3>
<p>${escapeHtml(operation.summary)}. ${escapeHtml(operation.description ?? '')}</p>
${
  parameters.length === 0
    ? ''
    : `<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>${parameters
        .map(
          (parameter) =>
            `<tr><td><code>${escapeHtml(parameter.name)}</code>${parameter.required === true ? ' *' : ''}</td><td>${escapeHtml(parameter.in)}</td><td>${escapeHtml(parameter.description ?? '')}</td></tr>`,
        )
        .join('')}</table>`
}
${
  bodies.length === 0
    ? ''
    : `<p>Body: ${bodies.map(([type, media]) => `<code>${escapeHtml(type)}</code>${renderReference(media.schema)}`).join(', ')}</p>`
}
<table><tr><th>Status</th><th>When</th><th>Body</th></tr>${rows.join('')}</table>
</section>`;
}

function renderContent(
  content: Readonly<Record<string, { readonly schema?: SchemaObject }>> | undefined,
): string {
  return Object.entries(content ?? {})
    .map(([type, media]) => `<code>${escapeHtml(type)}</code>${renderReference(media.schema)}`)
    .join('<br>');
}

function renderReference(schema: SchemaObject | undefined): string {
  const name = findReference(schema);
  return name === undefined ? '' : ` <a href="#schema-${escapeHtml(name)}">${escapeHtml(name)}</a>`;
}

function renderSchema(name: string, schema: SchemaObject): string {
  const rows = Object.entries(schema.properties ?? {}).map(([property, value]) => {
    const required = schema.required?.includes(property) === true ? ' *' : '';
    return `<tr><td><code>${escapeHtml(property)}</code>${required}</td><td>${escapeHtml(describeSchema(value))}</td><td>${escapeHtml(value.description ?? '')}</td></tr>`;
  });
  return `<section id="schema-${escapeHtml(name)}"><h3>${escapeHtml(name)}</h3><p>${escapeHtml(schema.description ?? '')}</p>
<table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>${rows.join('')}</table></section>`;
}

function renderErrors(): string {
  const rows = Object.entries(errorTable).map(
    ([code, row]) =>
      `<tr id="errors-${code}"><td><code>${code}</code></td><td>${row.http}</td><td>${row.grpc}</td><td>${row.outcome}</td><td>${escapeHtml(row.title)}. ${escapeHtml(row.remedy)}</td></tr>`,
  );
  return `<table><tr><th>Code</th><th>HTTP</th><th>gRPC</th><th>Outcome</th><th>Meaning, and what to do</th></tr>${rows.join('')}</table>`;
}

function linkCodes(html: string): string {
  return html.replace(/\b[A-Z]+(?:_[A-Z]+)*(?=: )/g, (code) =>
    code in errorTable ? `<a href="#errors-${code}">${code}</a>` : code,
  );
}

function anchor(method: string, path: string): string {
  return `${method}${path}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/-$/, '');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const STYLE = `
:root{color-scheme:light dark;--line:#8884;--accent:#0b6e99}
@media(prefers-color-scheme:dark){:root{--accent:#5cc3ee}}
body{margin:0;font:15px/1.5 system-ui,sans-serif;display:flex}
nav{position:sticky;top:0;height:100vh;overflow:auto;box-sizing:border-box;padding:1.5rem;flex:0 0 17rem;border-right:1px solid var(--line)}
nav ul{list-style:none;padding:0}nav li{white-space:nowrap}
main{padding:1.5rem 2.5rem 6rem;max-width:60rem;min-width:0}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
section{margin:2rem 0;overflow-x:auto}h3 b{color:var(--accent)}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line)}
tr:target{background:#fd03}code{font-size:.92em}
@media(max-width:50rem){body{display:block}nav{position:static;height:auto}}
`;
