import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { readSnippets, type Snippet } from '../support/document-snippets.ts';
import { patienceMs } from '../support/patience.ts';
import { pythonArguments, skipWithoutPython, testPython } from '../support/python.ts';
import { repositoryRoot } from '../support/repository.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { workerCacheFolder } from '../support/worker-cache.ts';

const guides = join(repositoryRoot, 'docs', 'guides');
const pages = [
  'README.md',
  ...(existsSync(guides) ? readdirSync(guides) : [])
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/guides/${name}`),
];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the snippets of one page share: a server, its folder as working directory, and commands on the PATH. */
interface Workshop {
  readonly server: TestServer;
  readonly path: string;
  /** What a page serves in the place of `server`; null before it does. */
  serving: ChildProcess | null;
}

async function openWorkshop(t: TestContext): Promise<Workshop> {
  const server = await startServer(t, { config: 'db_path: ./arrowport.duckdb\n' });
  const commands = join(server.folder, '.commands');
  mkdirSync(commands);
  // In a checkout npx finds the project's own command; the workshop is no checkout.
  writeFileSync(join(commands, 'npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  symlinkSync(join(repositoryRoot, 'bin', 'arrowport.mjs'), join(commands, 'arrowport'));
  const python = testPython ?? '';
  const path = [commands, dirname(process.execPath), dirname(python), process.env['PATH'] ?? ''].join(':');
  return { server, path, serving: null };
}

function runCommand(
  workshop: Workshop,
  command: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env = {
    ...process.env,
    PATH: workshop.path,
    ARROWPORT_URL: workshop.server.url,
    ARROWPORT_CACHE: workerCacheFolder,
    ...variables,
  };
  return new Promise((resolve) => {
    const options = { cwd: workshop.server.folder, env, timeout: 2 * patienceMs };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** The names in a JSON value, at every depth, so that an example may show other values but no other shape. */
function namesIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap(namesIn))].sort();
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .flatMap(([name, inner]) => [name, ...namesIn(inner).map((innerName) => `${name}.${innerName}`)])
    .sort();
}

function findJson(stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  }
}

/** A value for each variable that a configuration needs set. */
function variablesOf(yaml: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...yaml.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => [name, 'example']));
}

async function runSnippet(
  workshop: Workshop,
  snippet: Snippet,
  before: Ended | undefined,
): Promise<Ended | undefined> {
  const text = snippet.text.replaceAll('8888', String(workshop.server.port));
  switch (snippet.language) {
    case 'bash':
      return await runCommand(workshop, 'bash', ['-euo', 'pipefail', '-c', text]);
    case 'python':
      return await runCommand(workshop, testPython ?? '', pythonArguments(text));
    case 'yaml': {
      const path = join(workshop.server.folder, 'snippet.yaml');
      writeFileSync(path, snippet.text);
      // The reader has the files that a snippet names, the workshop has not.
      return await runCommand(
        workshop,
        'arrowport',
        ['check', '--no-files', path],
        variablesOf(snippet.text),
      );
    }
    case 'json':
      assert.ok(before, 'a JSON block shows what the block above it printed');
      assert.deepEqual(namesIn(JSON.parse(snippet.text)), namesIn(findJson(before.stdout)));
      return undefined;
    case 'text':
      return undefined;
    default:
      assert.fail(`a block is bash, python, yaml, json or text, not "${snippet.language}"`);
  }
}

/** Does what a snippet needs done: `stop the server`, or `serve FILE` in its place, on its port. */
async function prepare(t: TestContext, workshop: Workshop, what: string): Promise<void> {
  await workshop.server.stop();
  if (workshop.serving?.kill('SIGTERM')) await once(workshop.serving, 'close');
  const [, config] = /^serve (\S+)$/.exec(what) ?? [];
  if (config === undefined) return assert.equal(what, 'stop the server');
  const { port, folder } = workshop.server;
  const main = join(repositoryRoot, 'src', 'main.ts');
  const args = [main, 'serve', '--config', config, '--port', String(port), '--json'];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  workshop.serving = child;
  t.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"pid"')) return;
  }
  assert.fail(`arrowport serve --config ${config} ended before it listened`);
}

for (const page of pages) {
  test(`everything shown in ${page} happens as written`, { skip: skipWithoutPython }, async (t) => {
    const workshop = await openWorkshop(t);
    let before: Ended | undefined;
    for (const snippet of readSnippets(readFileSync(join(repositoryRoot, page), 'utf8'))) {
      if (snippet.directive?.kind === 'not run') continue;
      if (snippet.directive?.kind === 'first') await prepare(t, workshop, snippet.directive.text);
      await t.test(`line ${snippet.line}: ${snippet.language}`, async () => {
        const ended = await runSnippet(workshop, snippet, before);
        if (ended === undefined) return;
        assert.equal(ended.code, 0, `${snippet.text}\n${ended.stdout}\n${ended.stderr}`);
        before = ended;
      });
    }
  });
}
