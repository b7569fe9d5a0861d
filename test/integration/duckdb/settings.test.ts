import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython, testPython } from '../../support/python.ts';
import { runRefusedStart } from '../../support/refused-start.ts';
import { startServer } from '../../support/server.ts';
import { type CleanupOwner, makeTempFolder } from '../../support/temp-folder.ts';
import { ingest } from '../producers.ts';
import { readFile } from './scenario.ts';

/** Runs `serve` in a folder where it cannot start. */
async function serveInVain(owner: CleanupOwner, folder: string, config: string) {
  writeFileSync(join(folder, 'arrowport.yaml'), config);
  const { code, text } = await runRefusedStart(owner, folder);
  return { code, lines: text.split('\n') };
}

const refusals: Readonly<Record<string, readonly [config: string, text: RegExp]>> = {
  'in a folder that does not exist': [
    'db_path: ./nowhere/a.duckdb\n',
    /nowhere\/a\.duckdb.*folder does not exist/,
  ],
  'that is no database': ['db_path: ./text.duckdb\n', /text\.duckdb.*not a DuckDB database/],
  'that is a folder': ['db_path: ./folder\n', /folder/],
  'that another process has open': ['db_path: ./locked.duckdb\n', /locked\.duckdb.*another process/],
};

for (const [what, [config, expected]] of Object.entries(refusals)) {
  test(`a database ${what} ends the start with one line`, { skip: skipWithoutPython }, async (t) => {
    const folder = makeTempFolder(t);
    mkdirSync(join(folder, 'folder'));
    writeFileSync(join(folder, 'text.duckdb'), 'this is a text and no database\n'.repeat(500));
    if (what.includes('process')) {
      const source =
        'import duckdb, sys; c = duckdb.connect(sys.argv[1]); print("open", flush=True); sys.stdin.read()';
      const holder = spawn(testPython ?? '', ['-c', source, join(folder, 'locked.duckdb')]);
      t.after(() => {
        holder.kill('SIGKILL');
      });
      await once(createInterface({ input: holder.stdout }), 'line');
    }
    const { code, lines } = await serveInVain(t, folder, config);
    assert.equal(code, 1);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', expected);
  });
}

test('a folder that cannot be written ends the start with one line', {
  skip: process.getuid?.() === 0 && 'root may write everywhere',
}, async (t) => {
  const folder = makeTempFolder(t);
  mkdirSync(join(folder, 'closed'));
  chmodSync(join(folder, 'closed'), 0o500);
  const { code, lines } = await serveInVain(t, folder, 'db_path: ./closed/a.duckdb\n');
  assert.deepEqual([code, lines.length], [1, 1]);
  assert.match(lines[0] ?? '', /cannot be written/);
});

for (const [what, config, expected] of [
  ['a setting that DuckDB does not have', 'duckdb: {settings: {no_such_thing: 1}}\n', /no_such_thing/],
  ['a value that DuckDB refuses', 'duckdb: {settings: {default_order: sideways}}\n', /default_order/],
  ['an extension that is not there', 'duckdb_extensions: [no_such_extension]\n', /no_such_extension/],
  ['a size without a unit', 'duckdb: {memory_limit: much}\n', /memory_limit.*4GB/],
] as const) {
  test(`${what} ends the start with one line`, async (t) => {
    const { code, lines } = await serveInVain(t, makeTempFolder(t), config);
    assert.equal(code, 1);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', expected);
  });
}

test('a small memory limit and other settings hold, and loads pass', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t, {
    config: `db_path: ./main.duckdb
duckdb:
  threads: 2
  memory_limit: 128MiB
  checkpoint_threshold: 1MB
  settings: {temp_directory: ./spill, preserve_insertion_order: true, max_temp_directory_size: 2GB}
`,
  });
  const body = await arrowBytes(
    'table = pa.table({"id": np.arange(1_500_000), "text": pa.array([f"text number {i}" for i in range(1_500_000)])})',
    { batchRows: 100_000 },
  );
  assert.equal((await ingest(server, 's', body)).rows_processed, 1_500_000);
  assert.equal((await ingest(server, 's', body)).rows_processed, 1_500_000);
  assert.equal(await server.stop(), 0);
  const count = 'SELECT count(*)::INTEGER, count(DISTINCT text)::INTEGER FROM s';
  assert.deepEqual(await readFile(server, 'query_tables', [JSON.stringify({ count })]), {
    count: [[3_000_000, 1_500_000]],
  });
});
