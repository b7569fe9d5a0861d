import { open } from 'node:fs/promises';
import { ArrowportError } from '../../errors.ts';

/** What every write-ahead log begins with: its first entry is the log's own version. */
const logStart = Buffer.from([0x64, 0x00, 0x62]);

const shortOfMemory = /Out of Memory|(could not|failed to) (allocate|pin|offload)/i;

const reasons: readonly { readonly pattern: RegExp; readonly text: string }[] = [
  {
    pattern: /Could not set lock|Conflicting lock|already (open|attached)/i,
    text: 'another process has the database open; stop it, or give another db_path.',
  },
  {
    pattern: /No such file|does not exist/i,
    text: 'its folder does not exist; create it, or give another db_path.',
  },
  {
    pattern: /Permission denied|read-only/i,
    text: 'the file or its folder cannot be written; check its owner, its mode and how the disk is mounted.',
  },
  {
    pattern: /No space left|Disk quota/i,
    text: 'the disk is full; free some of it.',
  },
  {
    pattern: /Too many open files/i,
    text: 'the process has no file descriptors left; raise its limit (ulimit -n).',
  },
  {
    pattern: /not a valid DuckDB database/i,
    text: 'the file is not a DuckDB database; move it away, or give another db_path.',
  },
  {
    pattern: /Is a directory/i,
    text: 'this is a folder; give the path of a file.',
  },
  {
    pattern: shortOfMemory,
    text: 'reading its write-ahead log takes more memory than DuckDB may use; raise duckdb.memory_limit. Nothing of it is lost.',
  },
  {
    pattern: /\bWAL\b/,
    text: 'its write-ahead log is damaged; restore the file and its .wal from a backup.',
  },
  {
    pattern: /corrupt|checksum|Could not read enough bytes/i,
    text: 'the file is damaged; restore it from a backup, or give another db_path.',
  },
];

/** Whether DuckDB found too little memory to open the file. */
export function isShortOfMemory(thrown: unknown): boolean {
  return thrown instanceof Error && shortOfMemory.test(thrown.message);
}

/** Why DuckDB could not open the file, and what to do: one line for people. DuckDB's own text stays in the cause. */
export function openFailure(path: string, cause: unknown): ArrowportError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const known = reasons.find(({ pattern }) => pattern.test(message));
  const text = known?.text ?? `DuckDB cannot open it: ${message.split('\n', 1)[0] ?? ''}`;
  return new ArrowportError('BACKEND_UNAVAILABLE', `db_path ${path}: ${text}`, { cause });
}

/**
 * Refuses a write-ahead log that was not written by DuckDB: it would be passed over in silence, and with it every
 * commit since the last checkpoint. What a crash leaves is another matter, and DuckDB's: a log without an end, or an
 * empty one. Throws BACKEND_UNAVAILABLE.
 */
export async function refuseForeignLog(path: string): Promise<void> {
  if (path === ':memory:') return;
  const start = await readStart(`${path}.wal`);
  if (start.length < logStart.length || start.equals(logStart) || start.every((byte) => byte === 0)) return;
  throw new ArrowportError(
    'BACKEND_UNAVAILABLE',
    `db_path ${path}: its write-ahead log ${path}.wal is damaged; restore both files from a backup, or move the log away to give up the commits in it.`,
  );
}

async function readStart(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(logStart.length), 0, logStart.length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    // There is no log, or DuckDB will say what is wrong with it.
    return Buffer.alloc(0);
  }
}
