import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromDuckDbError, isDiskFull, isInvalidated } from '../../../src/backends/duckdb/errors.ts';

const atCommit = (message: string) => {
  const { code, message: text } = fromDuckDbError(new Error(message), 'commit');
  return { code, text };
};

test('a key that another load committed first refuses the load, also at its COMMIT', () => {
  const { code, text } = atCommit(
    'TransactionContext Error: Failed to commit: PRIMARY KEY or UNIQUE constraint violation: duplicate key "0"',
  );
  assert.equal(code, 'SCHEMA_MISMATCH');
  assert.match(text, /duplicate key "0"/);
});

test('a COMMIT that failed for a reason nobody knows may have happened', () => {
  assert.equal(atCommit('IO Error: Could not write file').code, 'COMMIT_UNKNOWN');
  assert.equal(atCommit('FATAL Error: Failed to checkpoint').code, 'COMMIT_UNKNOWN');
  assert.equal(atCommit('Something new').code, 'COMMIT_UNKNOWN');
});

test('what a full disk kept from being committed is rolled back, unless the database was given up over it', () => {
  const full = atCommit(
    'TransactionContext Error: Failed to commit: Could not write file "rows.duckdb.wal": No space left on device',
  );
  assert.equal(full.code, 'BACKEND_UNAVAILABLE');
  assert.match(full.text, /full: free some of it/);
  const givenUp =
    'TransactionContext Error: Failed to commit: Checkpoint failed for database "rows". The database has been invalidated. Original error: Could not write file "rows.duckdb": No space left on device';
  assert.equal(atCommit(givenUp).code, 'COMMIT_UNKNOWN');
  assert.equal(isInvalidated(new Error(givenUp)), true);
  assert.equal(isDiskFull(new Error(givenUp)), true);
});

test('a database that is given up is known by each of the ways to say so', () => {
  for (const message of [
    'INTERNAL Error: Attempted to access index 3 within vector of size 3',
    'FATAL Error: Failed to create checkpoint',
    'IO Error: Database "rows" has been invalidated because checkpointing failed. Detach and reattach it before using it again.',
  ])
    assert.equal(isInvalidated(new Error(message)), true, message);
  assert.equal(isInvalidated(new Error('IO Error: Could not read from file')), false);
});

test('a COMMIT that ran out of memory was rolled back, and may be tried again', () => {
  const error = atCommit(
    'TransactionContext Error: Failed to commit: failed to allocate data of size 256.0 KiB (192.0 MiB/192.0 MiB used)',
  );
  assert.equal(error.code, 'OVERLOADED');
});
