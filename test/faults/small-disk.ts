import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CleanupOwner } from '../support/temp-folder.ts';

/** A disk of a few megabytes, with nothing else on it. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes all the room that is left. */
  fill(): void;
  /** Gives that room back. */
  free(): void;
  /** Makes the disk larger. */
  grow(megabytes: number): void;
  /** Whether it can be written. */
  setWritable(writable: boolean): void;
}

/** The `skip` option of a test that needs a small disk: the reason where none can be mounted, else `false`. */
export const skipWithoutSmallDisk: string | false = tryToMount()
  ? false
  : 'no small disk can be mounted here (mount -t tmpfs needs root)';

/** Mounts a disk of its own; it goes with `owner`. */
export function mountSmallDisk(owner: CleanupOwner, megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'arrowport-disk-'));
  owner.after(() => {
    spawnSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  if (mounted.status !== 0) throw new Error(`No disk: ${mounted.stderr}`);
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill() {
      const file = openSync(ballast, 'w');
      const block = Buffer.alloc(64 * 1024);
      try {
        while (writeSync(file, block) === block.length);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => unlinkSync(ballast),
    grow: (size) => remount(folder, `size=${size}m`),
    setWritable: (writable) => remount(folder, writable ? 'rw' : 'ro'),
  };
}

function remount(folder: string, option: string): void {
  const { status, stderr } = spawnSync('mount', ['-o', `remount,${option}`, folder]);
  if (status !== 0) throw new Error(`The disk cannot be changed: ${stderr}`);
}

function tryToMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'arrowport-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
  if (status === 0) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return status === 0;
}
