/**
 * Runs the tests: all of them, or those of the files that are named.
 *
 * A test has ten minutes, and its file twice that: a test's own limit ends no process that is stuck in a loop or whose
 * server still runs, so such a file is killed here, with all that it started, and the others go on.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../test/support/repository.ts';
import { workerCacheFolder } from '../test/support/worker-cache.ts';

const testLimitMs = Number(process.env['ARROWPORT_TEST_LIMIT_MS'] ?? 10 * 60_000);
const lookMs = Math.min(10_000, testLimitMs);

/** Settings of whoever runs the tests that would change what servers, clients and Python do in them. */
const foreign =
  /^((https?|all|no|grpc)_proxy|no_color|force_color|lang(uage)?|lc_\w+|node_options|python(path|home|startup|warnings|optimize)|(aws|azure|google)_(?!ca_).*)$/i;
const ownSettings = /^ARROWPORT_(?!TEST_|DELTA_PYTHON$|CRASH_SEED$|SOAK_SEED$)/;

const environment = Object.entries(process.env).filter(
  ([name]) => !foreign.test(name) && !ownSettings.test(name),
);
const files = process.argv.length > 2 ? process.argv.slice(2) : ['test/**/*.test.ts'];
const options = ['--test-concurrency=2', `--test-timeout=${testLimitMs}`, '--test-reporter=spec'];
// Tests wait for what a server does, not for packages of its worker to come. Those that need one say so where it is missing.
spawnSync(process.execPath, [join(repositoryRoot, 'src', 'main.ts'), 'setup'], {
  env: { ...Object.fromEntries(environment), ARROWPORT_CACHE: workerCacheFolder },
  stdio: ['ignore', 'ignore', 'inherit'],
  timeout: testLimitMs,
});
const runner = spawn(process.execPath, ['--test', ...options, ...files], {
  env: Object.fromEntries(environment),
  stdio: ['ignore', 'inherit', 'inherit'],
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
const watch = setInterval(endStuckFiles, lookMs);
runner.on('exit', (code) => {
  clearInterval(watch);
  process.exitCode = code ?? 1;
});

const seenAt = new Map<number, number>();

/** Every child of the runner is the process of one test file. */
function endStuckFiles(): void {
  const running = childrenOf(runner.pid ?? 0);
  for (const pid of [...seenAt.keys()]) if (!running.includes(pid)) seenAt.delete(pid);
  for (const pid of running) {
    const since = seenAt.get(pid) ?? performance.now();
    seenAt.set(pid, since);
    if (performance.now() - since > 2 * testLimitMs) endTree(pid);
  }
}

function endTree(pid: number): void {
  const tree = [pid];
  for (const parent of tree) tree.push(...childrenOf(parent));
  const processes = tree.map((member) => `  ${member}: ${readCommand(member)}\n`).join('');
  process.stderr.write(
    `A test file has not ended for ${(2 * testLimitMs) / 1000} s: it is killed, with all that it started.\n${processes}`,
  );
  for (const member of tree) {
    try {
      process.kill(member, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
}

/** The children of a process; none where there is no `/proc`. */
function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter((text) => text !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
}

/** The command of a process, without the dozens of options that the runner hands to a test file. */
function readCommand(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.filter((word) => !/^--.*=/.test(word)).join(' ');
  } catch {
    return 'ended';
  }
}
