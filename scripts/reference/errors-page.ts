import { errorTable } from '../../src/errors.ts';

/** The page `docs/reference/errors.md`, rendered from the one table of codes. */
export function renderErrorsPage(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { outcome, http, grpc, title, remedy }]) =>
      `| \`${code}\` | ${outcome} | ${http} | ${grpc} | ${title}. ${remedy} |`,
  );
  return `# Errors

Over HTTP an error is a problem document (\`application/problem+json\`, RFC 9457) with \`type\`, \`title\`, \`status\`, \`detail\`,
\`code\`, \`outcome\`, \`request_id\` and what helps: \`column\`, \`limit\`, \`retry_after_ms\`, \`line\`, \`position\`. Over Flight it is a gRPC
status whose message begins with the code; the trailer \`arrowport-error-code\` holds it too.

\`outcome\` says what to do next:

- \`rejected\`: sending the same bytes again will not help.
- \`retryable\`: nothing was written; send again, after \`Retry-After\` where it is given.
- \`unknown\`: the commit may have happened; send again with the same \`Idempotency-Key\`, or look first.

| code | outcome | HTTP | gRPC | meaning and remedy |
|---|---|---|---|---|
${rows.join('\n')}
`;
}
