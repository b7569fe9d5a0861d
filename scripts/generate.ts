import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { renderCliPage } from './reference/cli-page.ts';
import { renderConfigPage } from './reference/config-page.ts';
import { renderErrorsPage } from './reference/errors-page.ts';
import { renderHttpPage, renderOpenApi } from './reference/http-page.ts';
import { renderMetricsPage } from './reference/metrics-page.ts';

const root = join(import.meta.dirname, '..');

/** Every file of the repository that is made from the sources: its path, and what its text must be. */
const generatedFiles: Readonly<Record<string, () => string>> = {
  'config/arrowport.schema.json': () => `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  'docs/reference/cli.md': renderCliPage,
  'docs/reference/config.md': renderConfigPage,
  'docs/reference/errors.md': renderErrorsPage,
  'docs/reference/http.md': renderHttpPage,
  'docs/reference/metrics.md': renderMetricsPage,
  'docs/reference/openapi.json': renderOpenApi,
};

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const stale = Object.entries(generatedFiles)
  .map(([path, render]) => ({ path, text: render() }))
  .filter(({ path, text }) => readIfPresent(join(root, path)) !== text);

if (process.argv.includes('--check')) {
  for (const { path } of stale)
    console.error(`${path} is not what its source says: run \`npm run generate\``);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const { path, text } of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path}`);
  }
}
