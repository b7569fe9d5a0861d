import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { arrowBytes } from '../support/arrow.ts';
import { skipWithoutPython } from '../support/python.ts';
import { repositoryRoot } from '../support/repository.ts';
import { type CleanupOwner, makeTempFolder } from '../support/temp-folder.ts';

/** The environment of someone who has just come: nothing of this npm run, no node_modules on the PATH. */
function strangersEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|ARROWPORT_|NODE_)(?!EXTRA)/i.test(name),
  );
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'));
  return { ...Object.fromEntries(entries), PATH: path.join(delimiter) };
}

/** Copies what a clone of the working tree would hold. */
function copyCheckout(owner: CleanupOwner): string {
  const folder = join(makeTempFolder(owner), 'checkout');
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  for (const path of listed.split('\0').filter((name) => name !== '')) {
    if (!existsSync(join(repositoryRoot, path))) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(repositoryRoot, path), join(folder, path));
  }
  return folder;
}

const isCheckout = existsSync(join(repositoryRoot, '.git'));

test('setting up again when nothing changed is silent and leaves all as it is', () => {
  const setup = spawnSync(process.execPath, [join(repositoryRoot, 'scripts/setup.mjs')], {
    encoding: 'utf8',
  });
  assert.deepEqual(
    { status: setup.status, stdout: setup.stdout, stderr: setup.stderr },
    { status: 0, stdout: '', stderr: '' },
  );
});

test('npm start in a fresh clone sets everything up and takes a first row', {
  skip: isCheckout ? skipWithoutPython : 'this is not a git checkout',
}, async (t) => {
  const body = await arrowBytes('table = pa.table({"id": [1]})');
  const checkout = copyCheckout(t);
  assert.ok(!checkout.startsWith(`${repositoryRoot}${sep}`));
  const npm = spawn('npm', ['start', '--', '--port', '0', '--host', '127.0.0.1'], {
    cwd: checkout,
    env: strangersEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = once(npm, 'close');
  t.after(async () => {
    if (npm.exitCode === null && npm.pid !== undefined) process.kill(-npm.pid, 'SIGTERM');
    await closed;
  });
  const printed: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    for (const stream of [npm.stdout, npm.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        printed.push(line);
        const found = /"port":(\d+)/.exec(line)?.[1];
        if (found !== undefined && line.includes('"listening"')) resolve(Number(found));
      });
    }
    npm.on('close', () => reject(new Error(`npm start ended:\n${printed.join('\n')}`)));
  });
  const answer = await fetch(`http://127.0.0.1:${port}/ingest/first`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/vnd.apache.arrow.stream' },
    body: new Uint8Array(body),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  assert.ok(existsSync(join(checkout, 'arrowport.duckdb')));
});
