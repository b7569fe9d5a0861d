import type { CleanupOwner } from './temp-folder.ts';

const shownLines = 80;
const shownCharacters = 1000;
let failures = 0;

// Scripts start servers too, and a hook would make a test run of them.
if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  const { afterEach } = await import('node:test');
  afterEach((context) => {
    if ('passed' in context && !context.passed) failures += 1;
  });
}

/** Prints the end of a server's log when `owner` ends, if a test of this file has failed since this call. */
export function showLogOfFailures(owner: CleanupOwner, readLog: () => readonly string[]): void {
  const before = failures;
  owner.after(() => {
    if (failures === before) return;
    const log = readLog()
      .slice(-shownLines)
      .map((line) => line.slice(0, shownCharacters));
    process.stderr.write(`The last ${log.length} lines of the server's log:\n${log.join('\n')}\n`);
  });
}
