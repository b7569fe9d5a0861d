import { metricTable } from '../../src/telemetry/metric-table.ts';

/** The page `docs/reference/metrics.md`, rendered from the one table of metrics. */
export function renderMetricsPage(): string {
  const rows = Object.entries(metricTable).map(([name, { kind, labels, help }]) => {
    const labelNames = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${kind} | ${labelNames} | ${help} |`;
  });
  return `# Metrics

\`GET /metrics\` answers these in the Prometheus text format. The label \`stream\` takes names from the configuration; streams without
a route share \`other\` past the first 100, so that labels stay bounded.

| name | kind | labels | what it counts |
|---|---|---|---|
${rows.join('\n')}
`;
}
