import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../support/repository.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

test('a test file that is stuck is ended with what it started and named, and the others go on', {
  skip:
    process.platform !== 'linux' && 'the processes of a test file are found by /proc, which only Linux has',
}, async (t) => {
  const folder = makeTempFolder(t);
  const write = (name: string, body: string) => {
    const path = join(folder, name);
    writeFileSync(
      path,
      `import { test } from 'node:test';\nimport { spawn } from 'node:child_process';\n${body}\n`,
    );
    return path;
  };
  const stuck = write('stuck.test.mjs', "test('stuck', () => { spawn('sleep', ['7654']); for (;;); });");
  const other = write(
    'other.test.mjs',
    `test('other', () => {
      if (process.env.HTTP_PROXY !== undefined) throw new Error('a proxy');
      if (process.env.ARROWPORT_TEST_SPARK_PYTHON !== 'chosen') throw new Error('what the tests are told is lost');
    });`,
  );
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const runner = spawn(process.execPath, [join(repositoryRoot, 'scripts', 'test.ts'), stuck, other], {
    env: {
      ...environment,
      ARROWPORT_TEST_LIMIT_MS: '4000',
      ARROWPORT_TEST_SPARK_PYTHON: 'chosen',
      HTTP_PROXY: 'http://127.0.0.1:9',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => runner.kill('SIGKILL'));
  let text = '';
  for (const stream of [runner.stdout, runner.stderr]) stream.on('data', (part) => (text += part));
  const [code] = (await once(runner, 'close')) as [number | null];
  assert.equal(code, 1, text);
  assert.match(text, /has not ended for 8 s[\s\S]*stuck\.test\.mjs[\s\S]*sleep 7654/);
  assert.match(text, /✔ other/);
});
