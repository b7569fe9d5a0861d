import type { FileHandle } from 'node:fs/promises';
import { loadLibduckdb } from './libduckdb.ts';

/** `F_OFD_SETLK` of Linux: the lock belongs to the open file, and clashes with those that DuckDB takes in other processes. */
const setLock = 37;
const writeLock = 1;
/** `struct flock` of 64-bit Linux. */
const structBytes = 32;

type Control = (descriptor: number, command: number, type: string, lock: Buffer) => number;

/**
 * Locks a file that is open for writing as DuckDB does, until it is closed. False where another process has it, or
 * where the system is not Linux. To be called before DuckDB has opened the file in this process.
 */
export function lockFile(file: FileHandle): boolean {
  if (process.platform !== 'linux') return false;
  const control: Control = loadLibduckdb().func('int fcntl(int descriptor, int command, ...)');
  const lock = Buffer.alloc(structBytes);
  lock.writeInt16LE(writeLock, 0);
  return control(file.fd, setLock, 'void *', lock) === 0;
}
