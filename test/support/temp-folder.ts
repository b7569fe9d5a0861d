import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What owns the clean-up of a test's parts: a test context, or `{ after }` of `node:test` for a whole file. */
export interface CleanupOwner {
  after(cleanup: () => void | Promise<void>): void;
}

/**
 * Makes an empty folder and returns its absolute path; it is deleted when `owner` ends, again and again where a process
 * that was just killed still writes to it.
 */
export function makeTempFolder(owner: CleanupOwner): string {
  const folder = mkdtempSync(join(tmpdir(), 'arrowport-test-'));
  owner.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  return folder;
}
