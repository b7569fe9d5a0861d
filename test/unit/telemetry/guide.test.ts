import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { metricTable } from '../../../src/telemetry/metric-table.ts';
import { readSnippets } from '../../support/document-snippets.ts';
import { repositoryRoot } from '../../support/repository.ts';

const guide = readFileSync(join(repositoryRoot, 'docs', 'guides', 'prometheus.md'), 'utf8');

test('the Prometheus guide names only metrics that exist', () => {
  const used = new Set(guide.match(/\barrowport_[a-z_]+/g));
  assert.ok(used.size >= 12);
  for (const name of used) {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    assert.ok(name in metricTable || family in metricTable || name === 'arrowport_', name);
  }
});

test('the YAML of the Prometheus guide is YAML', () => {
  const blocks = readSnippets(guide).filter((snippet) => snippet.language === 'yaml');
  assert.equal(blocks.length, 2);
  for (const block of blocks) assert.equal(typeof parse(block.text), 'object');
});
