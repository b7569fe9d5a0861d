import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readSnippets } from '../../support/document-snippets.ts';
import { patienceMs } from '../../support/patience.ts';
import { repositoryRoot } from '../../support/repository.ts';
import { startServer } from '../../support/server.ts';

const version = 'v18.8.0';
const folder = join(repositoryRoot, 'node_modules', '.cache', `flight-sql-go-guide-${version}`);
const built = join(folder, 'guide');
const guide = join(repositoryRoot, 'docs', 'guides', 'flight-sql.md');

/** The guide's program, which takes the address from its arguments. */
function readProgram(): string {
  const program = readSnippets(readFileSync(guide, 'utf8')).find(({ text }) =>
    text.startsWith('package main'),
  );
  assert.ok(program, 'the guide has no Go program');
  return program.text.replace('import (', 'import (\n"os"').replace('"127.0.0.1:8888"', 'os.Args[1]');
}

/** Builds the guide's program where it has changed; returns why it is not there. */
function prepareProgram(): string | false {
  const source = join(folder, 'main.go');
  const program = readProgram();
  if (existsSync(built) && readFileSync(source, 'utf8') === program) return false;
  rmSync(built, { force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(source, program);
  const module = `module guide\n\ngo 1.23\n\nrequire github.com/apache/arrow-go/v18 ${version}\n`;
  if (!existsSync(join(folder, 'go.mod'))) writeFileSync(join(folder, 'go.mod'), module);
  for (const args of [
    ['mod', 'tidy'],
    ['build', '-buildvcs=false', '-o', built, '.'],
  ]) {
    const { error, status, stderr } = spawnSync('go', args, { cwd: folder, timeout: 240_000 });
    if (error !== undefined) return 'Go was not found';
    if (status !== 0) return `the program could not be built: ${String(stderr).trim().split('\n').at(-1)}`;
  }
  return false;
}

test('the Go program of the guide reads the rows of a table', { skip: prepareProgram() }, async (t) => {
  const server = await startServer(t);
  const loaded = await fetch(`${server.url}/query`, {
    method: 'POST',
    body: "CREATE TABLE weather AS FROM (VALUES ('Oslo', 4.5), ('Lima', 19.0)) AS t(city, celsius)",
  });
  assert.equal(loaded.status, 200);
  const { stdout } = await promisify(execFile)(built, [`127.0.0.1:${server.flightPort}`], {
    timeout: 2 * patienceMs,
  });
  assert.match(stdout, /\["Oslo" "Lima"\]/);
});
