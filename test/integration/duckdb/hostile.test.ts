import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';
import { readFile, runScenario } from './scenario.ts';

interface Answers {
  readonly plain: Readonly<Record<string, unknown>>;
  readonly cuts: Readonly<Record<string, number>>;
  readonly codes: Readonly<Record<string, number>>;
  readonly loaded: readonly [stream: string, rows: number][];
  readonly unexpected: readonly unknown[];
}

test('hundreds of broken, cut and mutated bodies are refused by the table, and nothing of them is written', {
  skip: skipWithoutPython,
}, async (t) => {
  const server = await startServer(t);
  const { pid } = server;
  const answers = await runScenario<Answers>(server, 'hostile_send', ['20261121']);
  assert.equal(server.pid, pid);
  assert.deepEqual(
    server.logs().filter(({ level }) => level === 'error'),
    [],
  );
  assert.equal(await server.stop(), 0);
  t.diagnostic(JSON.stringify(answers.codes));
  assert.deepEqual(answers.unexpected, []);
  assert.deepEqual(answers.plain, {
    empty: 'IPC_TRUNCATED',
    garbage: 'IPC_MALFORMED',
    text: 'IPC_MALFORMED',
    parquet: 'IPC_MALFORMED',
    file_as_stream: 'IPC_MALFORMED',
    stream_as_file: 'IPC_MALFORMED',
    zeros: 'IPC_MALFORMED',
    endless_length: 'BODY_TOO_LARGE',
  });
  assert.deepEqual(answers.cuts, { IPC_TRUNCATED: 120 });
  assert.ok((answers.codes['IPC_MALFORMED'] ?? 0) > 200);
  // A changed value is still a value: such bodies load, whole.
  const found = await readFile<Record<string, number>>(server, 'count_tables');
  assert.deepEqual(found, Object.fromEntries(answers.loaded));
});
