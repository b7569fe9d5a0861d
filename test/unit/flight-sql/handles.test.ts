import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_PARAMETERS, type PreparedQuery, type QueryParameters } from '../../../src/core/query.ts';
import { createHandleTable } from '../../../src/endpoints/flight-sql/handle-table.ts';
import { createParameterMemory } from '../../../src/endpoints/flight-sql/parameter-memory.ts';
import { createPreparedStatements } from '../../../src/endpoints/flight-sql/prepared-statements.ts';
import { waitFor } from '../../support/patience.ts';

const missing = { code: 'HANDLE_NOT_FOUND' };

test('a handle finds its value for its caller, until it is taken, idle or one too many', async (t) => {
  const closed: string[] = [];
  const table = createHandleTable<string>({
    what: 'thing',
    maxHandles: 2,
    idleMs: 1000,
    close: async (value) => {
      closed.push(value);
    },
    isBusy: (value) => value === 'busy',
  });
  t.after(() => table.close());
  const idle = table.add('idle', 'ann');
  const busy = table.add('busy', 'ann');
  assert.throws(() => table.add('third', 'ann'), { code: 'OVERLOADED' });
  assert.equal(table.find(idle, 'ann'), 'idle');
  assert.throws(() => table.find(idle, 'bob'), missing);
  assert.throws(() => table.find(new Uint8Array(16), 'ann'), missing);
  await waitFor('the idle one closed', () => closed.length > 0);
  assert.throws(() => table.find(idle, 'ann'), missing);
  assert.deepEqual(closed, ['idle']);
  assert.equal(table.take(busy, 'ann'), 'busy');
  assert.throws(() => table.take(busy, 'ann'), missing);
  assert.equal(table.size, 0);
});

test('who has most of the handles leaves the last of them to others', async () => {
  const table = createHandleTable<number>({
    what: 'thing',
    maxHandles: 8,
    idleMs: 600_000,
    close: async () => undefined,
  });
  const handles = [0, 1, 2, 3, 4, 5].map((value) => table.add(value, 'ann'));
  assert.throws(() => table.add(6, 'ann'), { code: 'OVERLOADED' });
  table.add(6, 'bob');
  table.add(7, 'bob');
  assert.throws(() => table.add(8, 'bob'), { code: 'OVERLOADED' });
  for (const handle of handles.slice(0, 3)) table.take(handle, 'ann');
  table.add(8, 'ann');
  await table.close();
});

test('each binding has a handle of its own; the plain handle stands for the latest', async () => {
  const statements = createPreparedStatements();
  let isClosed = false;
  const none = { fields: [], metadata: new Map() };
  const unused = async () => {
    throw new Error('This is not asked for here.');
  };
  const query: PreparedQuery = {
    sql: 'select ?',
    kind: 'query',
    returnsRows: true,
    parameterSchema: none,
    resultSchema: none,
    describe: unused,
    execute: unused,
    executeUpdate: unused,
    close: async () => {
      isClosed = true;
    },
  };
  const handle = statements.add({ query, transaction: null, inSession: false }, 'ann');
  assert.equal(statements.find(handle, 'ann').parameters, null);
  const memory = createParameterMemory(() => 1000);
  const hold = (parameters: QueryParameters) => ({ parameters, lease: memory.open() });
  const bind = (value: number) => statements.bind(handle, hold({ kind: 'values', values: [value] }), 'ann');
  const first = bind(1);
  const second = bind(2);
  assert.deepEqual(statements.find(first, 'ann').parameters, { kind: 'values', values: [1] });
  assert.deepEqual(statements.find(second, 'ann').parameters, { kind: 'values', values: [2] });
  assert.deepEqual(statements.find(handle, 'ann').parameters, { kind: 'values', values: [2] });
  for (let value = 3; value < 10; value++) statements.bind(handle, hold(NO_PARAMETERS), 'ann');
  assert.throws(() => statements.find(first, 'ann'), missing);
  await statements.close(second, 'ann');
  assert.equal(isClosed, true);
  assert.throws(() => statements.find(handle, 'ann'), missing);
  await statements.closeAll();
});
