#!/usr/bin/env node
// Starts Arrowport under Node.js 24 or later: this one where it is new enough, else the one that comes with
// the package. Plain JavaScript, because it must run on whatever Node.js called it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const requiredMajor = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Node.js strips no types below node_modules: an installed package runs its built files.
const source = join(root, 'src', 'main.ts');
const installed = root.split(sep).includes('node_modules');
const main = !installed && existsSync(source) ? source : join(root, 'dist', 'main.js');

if (Number(process.versions.node.split('.')[0]) >= requiredMajor) {
  await import(pathToFileURL(main).href);
} else {
  const node = findBundledNode();
  if (node === undefined) {
    console.error(
      `error: Arrowport needs Node.js ${requiredMajor} or later and this is ${process.versions.node}: install it, or reinstall arrowport without --omit=optional`,
    );
    process.exit(1);
  }
  runUnder(node);
}

function findBundledNode() {
  const require = createRequire(import.meta.url);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  for (const prefix of ['node', 'node-bin']) {
    try {
      const manifest = require.resolve(`${prefix}-${platform}-${process.arch}/package.json`);
      if (Number(require(manifest).version.split('.')[0]) < requiredMajor) continue;
      const node = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      if (existsSync(node)) return node;
    } catch {
      // Not installed under this name.
    }
  }
  return undefined;
}

function runUnder(node) {
  // A token on the command line is not for everyone who lists the processes of the machine.
  if (process.argv.some((argument) => argument.startsWith('--token'))) process.title = 'arrowport';
  const child = spawn(node, [...process.execArgv, main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends its signals to both processes; passed on, the server would count them twice.
  const fromTerminal = process.stdin.isTTY === true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (!(fromTerminal && signal !== 'SIGTERM')) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    console.error(`error: cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}
