import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArrowportError } from '../../../src/errors.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython, testPython } from '../../support/python.ts';
import { loadBytes, startDeltaBackend } from './delta-support.ts';
import { askTable } from './python-readers.ts';

const outsideWriter = `
import sys
import pyarrow as pa
from deltalake import write_deltalake, CommitProperties
for i in range(int(sys.argv[2])):
    write_deltalake(sys.argv[1], pa.table({'writer': ['outside'], 'n': [i]}), mode='append',
        commit_properties=CommitProperties(max_commit_retries=200))
`;

const row = (writer: string, n: number) =>
  arrowBytes(`table = pa.table({'writer': ['${writer}'], 'n': [${n}]})`);

describe('Delta writers at the same time', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });

  it('lose nothing and double nothing, with another tool appending meanwhile', async () => {
    const writers = 8;
    const appends = 50;
    const bytes = await Promise.all(Array.from({ length: writers }, (_, index) => row(`w${index}`, 0)));
    await loadBytes(backend, 'shared', await row('first', 0));
    const outside = spawn(testPython ?? '', ['-c', outsideWriter, join(root, 'shared'), '40'], {
      stdio: 'inherit',
    });
    const ended = new Promise<number | null>((resolve) => outside.once('exit', resolve));
    await Promise.all(
      bytes.map(async (body, writer) => {
        for (let n = 0; n < appends; n++) {
          await loadBytes(backend, 'shared', body, { idempotencyKey: `${writer}-${n}` });
        }
      }),
    );
    assert.equal(await ended, 0);
    const counts = await askTable<Record<string, number>>(
      join(root, 'shared'),
      `from collections import Counter
answer = Counter(r['writer'] for r in rows)`,
    );
    const expected = Object.fromEntries(
      Array.from({ length: writers }, (_, index) => [`w${index}`, appends]),
    );
    assert.deepEqual(counts, { ...expected, first: 1, outside: 40 });
  });

  it('of a table that is not there yet are all written, from two servers as well', async (t) => {
    const other = startDeltaBackend(t, { tablePath: root }).backend;
    const small = await row('first', 0);
    const large = await arrowBytes(
      `n = 1_200_000\ntable = pa.table({'writer': ['large'] * n, 'n': np.arange(n)})`,
      { batchRows: 100_000 },
    );
    await loadBytes(other, 'elsewhere', small);
    for (const partitionBy of [[], ['writer']]) {
      const table = `made_once_${partitionBy.length}`;
      const versions = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const settings = { partitionBy, idempotencyKey: `${index}` };
          const body = index === 3 ? large : small;
          return (await loadBytes(index % 2 === 0 ? backend : other, table, body, settings)).version;
        }),
      );
      assert.equal(versions.filter((version) => version === 0).length, 1);
      assert.equal((await backend.tables.info(table, { requestId: 'test' })).row_count, 1_200_007);
    }
  });

  it('of a table that is not there yet are refused where it becomes another one', async () => {
    const texts = await arrowBytes("table = pa.table({'n': ['x']})");
    const numbers = await arrowBytes("table = pa.table({'n': [1]})");
    const results = await Promise.allSettled(
      [texts, numbers].map((body) => loadBytes(backend, 'two_kinds', body)),
    );
    const failed = results.filter((result) => result.status === 'rejected');
    assert.equal(failed.length, 1);
    const { reason } = failed[0] as PromiseRejectedResult;
    assert.ok(reason instanceof ArrowportError, String(reason));
    assert.ok(['COMMIT_CONFLICT', 'SCHEMA_MISMATCH'].includes(reason.code), reason.code);
  });

  it('are not held up by producers that send nothing', async () => {
    const { stalled, finish } = await stallLoads(40);
    await loadBytes(backend, 'free', await row('free', 1));
    await backend.tables.info('free', { requestId: 'test' });
    await finish();
    assert.equal(stalled, 40);
  });

  async function stallLoads(count: number) {
    const { openBytes, deltaRoute } = await import('./delta-support.ts');
    const bytes = await row('slow', 1);
    const loads = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const opened = await openBytes(bytes);
        return backend.begin({
          route: deltaRoute(`slow_${index}`),
          schema: opened.schema,
          schemaMetadata: opened.schemaMetadata,
          options: { mode: 'append', schemaMode: 'strict', partitionBy: null, idempotencyKey: null },
          requestId: 'slow',
        });
      }),
    );
    return { stalled: loads.length, finish: () => Promise.all(loads.map((load) => load.abort())) };
  }

  it('find the table gone and make it anew', async () => {
    const { rm } = await import('node:fs/promises');
    await loadBytes(backend, 'gone', await row('a', 1));
    await rm(join(root, 'gone'), { recursive: true });
    const result = await loadBytes(backend, 'gone', await row('b', 2));
    assert.equal(result.version, 0);
    assert.deepEqual(await askTable(join(root, 'gone'), 'answer = rows'), [{ writer: 'b', n: 2 }]);
  });
});

describe('a Delta worker that is killed', { skip: skipWithoutPython }, () => {
  const { backend, root } = startDeltaBackend({ after });

  it('is there again by itself, and a retry with the same key ends exactly once', async (t) => {
    const bytes = await arrowBytes(`table = pa.table({'writer': ['k'] * 20000, 'n': list(range(20000))})`);
    await loadBytes(backend, 'killed', await row('first', 0));
    const rounds = 20;
    let downtime = 0;
    for (let round = 0; round < rounds; round++) {
      const key = `round-${round}`;
      const pid = backend.workerPid;
      const attempt = loadBytes(backend, 'killed', bytes, { idempotencyKey: key });
      const outcome = attempt.then(
        () => undefined,
        (error: unknown) => error,
      );
      await sleep(Math.random() * 24);
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      const killedAt = performance.now();
      const error = await outcome;
      if (error !== undefined) {
        assert.ok(error instanceof ArrowportError, String(error));
        assert.ok(['retryable', 'unknown'].includes(error.outcome), `${error.code}: ${error.message}`);
      }
      await retryUntilCommitted(bytes, key);
      downtime = Math.max(downtime, performance.now() - killedAt);
    }
    const count = await askTable<number>(
      join(root, 'killed'),
      `answer = len([r for r in rows if r['writer'] == 'k'])`,
    );
    assert.equal(count, rounds * 20_000);
    t.diagnostic(`${Math.round(downtime)} ms from a kill to the next commit at the most`);
    assert.ok(!existsSync(join(root, 'killed', '_arrowport')));
  });

  async function retryUntilCommitted(bytes: Uint8Array, key: string): Promise<void> {
    await waitFor('a worker that commits', async () => {
      try {
        return await loadBytes(backend, 'killed', bytes, { idempotencyKey: key });
      } catch (error) {
        if (!(error instanceof ArrowportError) || error.outcome === 'rejected') throw error;
        return undefined;
      }
    });
  }
});

describe('a Delta worker whose server is killed', { skip: skipWithoutPython }, () => {
  it('ends as well', async (t) => {
    const folder = (await import('../../support/temp-folder.ts')).makeTempFolder(t);
    const support = new URL('./delta-support.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { startDeltaBackend } = await import(${JSON.stringify(support)});
         const { backend } = startDeltaBackend({ after: () => {} }, { tablePath: ${JSON.stringify(folder)} });
         await backend.tables.list({ requestId: 'x' });
         console.log(backend.workerPid);
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    t.after(() => child.kill('SIGKILL'));
    const pid = await new Promise<number>((resolve) =>
      child.stdout.once('data', (text) => resolve(Number(text))),
    );
    assert.ok(isAlive(pid));
    child.kill('SIGKILL');
    await waitFor('the end of the worker', () => !isAlive(pid));
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
