import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deltaVerbs } from '../../../src/core/delta-verbs.ts';
import { flightService } from '../../../src/endpoints/flight/service.ts';
import { trailer } from '../../../src/endpoints/flight/status.ts';
import { repositoryRoot } from '../../support/repository.ts';

test('the reference names every call of the service and every trailer', () => {
  const reference = readFileSync(join(repositoryRoot, 'docs', 'reference', 'flight.md'), 'utf8');
  for (const name of [...Object.keys(flightService), ...Object.values(trailer)]) {
    assert.ok(reference.includes(`\`${name}\``), name);
  }
});

test('the reference names every verb of Delta tables with its options', () => {
  const reference = readFileSync(join(repositoryRoot, 'docs', 'reference', 'flight.md'), 'utf8');
  const rows = reference.split('\n');
  for (const verb of Object.values(deltaVerbs)) {
    const row = rows.find((line) => line.split('|')[1]?.includes(`\`${verb.name}\``));
    assert.ok(row, verb.name);
    for (const option of Object.keys(verb.options))
      assert.ok(row.includes(`\`${option}\``), `${verb.name} ${option}`);
  }
});
