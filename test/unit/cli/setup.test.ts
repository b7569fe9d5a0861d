import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workerFolder } from '../../../src/backends/delta/environment.ts';
import { cacheFolder } from '../../../src/config/cache-folder.ts';
import { runPythonJson, skipWithoutPython, testPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { runCli } from './run-cli.ts';

const describePython =
  'import sys, sysconfig, json; print(json.dumps("%d.%d.%d-%s" % (*sys.version_info[:3], sysconfig.get_platform())))';

test('setup without a Python is refused in one line that says what to do', async (t) => {
  const folder = makeTempFolder(t);
  const { code, stdout, stderr } = await runCli(['setup'], {
    env: { PATH: folder, ARROWPORT_CACHE: join(folder, 'cache') },
  });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^refused: BACKEND_UNAVAILABLE: .* needs Python 3\.10 or newer, .* install it .*\n$/);
});

test('setup finds the environment that is there', { skip: skipWithoutPython }, async (t) => {
  const folder = makeTempFolder(t);
  const programs = join(folder, 'programs');
  mkdirSync(programs);
  const python = join(programs, 'python3');
  writeFileSync(python, `#!/bin/sh\nexec '${testPython}' "$@"\n`, { mode: 0o755 });
  const version = await runPythonJson<string>(describePython);
  const lock = readFileSync(join(workerFolder, 'requirements.lock'));
  const digest = createHash('sha256').update(lock).update(version).digest('hex').slice(0, 16);
  const environment = join(folder, 'cache', `delta-worker-${digest}`);
  mkdirSync(environment, { recursive: true });
  writeFileSync(join(environment, 'complete'), '');
  const { code, stdout } = await runCli(['setup', '--json'], {
    env: { PATH: `${programs}:${process.env['PATH']}`, ARROWPORT_CACHE: join(folder, 'cache') },
  });
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { python: join(environment, 'bin', 'python'), created: false });
});

test('worker environments are kept where the environment says, else in the cache of the user', () => {
  assert.equal(cacheFolder({ ARROWPORT_CACHE: '/c', XDG_CACHE_HOME: '/x', HOME: '/h' }), '/c');
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/x', HOME: '/h' }), '/x/arrowport');
  assert.equal(cacheFolder({ XDG_CACHE_HOME: 'relative', HOME: '/h' }), '/h/.cache/arrowport');
  assert.equal(cacheFolder({ HOME: '/h' }), '/h/.cache/arrowport');
});
