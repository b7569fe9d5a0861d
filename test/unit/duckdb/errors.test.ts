import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromDuckDbError } from '../../../src/backends/duckdb/errors.ts';

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
