import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ipcStream, openDoor, readProblem, readReceipt, schemaMessage } from './http-server.ts';

async function pythonBody(config: unknown = { target_table: 's' }): Promise<Record<string, unknown>> {
  const data = Buffer.concat(await ipcStream(2, 50)).toString('base64');
  return { config, batch: { arrow_schema: schemaMessage().toString('base64'), data } };
}

function postJson(url: string, body: unknown) {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

describe('JSON bodies of the Python Arrowport', () => {
  test('land like the Arrow stream inside them, with the answer their clients read', async (t) => {
    const door = await openDoor(t);
    const config = {
      target_table: 'test_table',
      storage_backend: null,
      chunk_size: 1000,
      compression: { algorithm: 'zstd', level: 3 },
      delta_options: null,
    };
    const response = await postJson(`${door.url}/stream/test_stream`, await pythonBody(config));
    assert.equal(response.status, 200);
    const answer = await readReceipt(response);
    assert.equal(answer.status, 'success');
    assert.equal(answer.stream, 'test_stream');
    assert.equal(answer.rows_processed, 100);
    assert.equal(answer.storage_backend, 'duckdb');
    assert.equal(typeof answer.message, 'string');
    assert.equal(door.requests[0]?.tableHint, 'test_table');
    assert.equal(door.requests[0]?.backend, null);
  });

  test('name a backend and, for delta, its options', async (t) => {
    const door = await openDoor(t);
    const config = {
      target_table: 's',
      storage_backend: 'delta',
      delta_options: { partition_by: ['day'], schema_mode: 'merge', compression: 'snappy' },
    };
    assert.equal((await postJson(`${door.url}/stream/s`, await pythonBody(config))).status, 200);
    const request = door.requests[0];
    assert.equal(request?.backend, 'delta');
    assert.deepEqual(request?.partitionBy, ['day']);
    assert.equal(request?.schemaMode, 'merge');
  });

  test('the options of delta mean nothing to another backend', async (t) => {
    const door = await openDoor(t);
    const config = { target_table: 's', storage_backend: 'duckdb', delta_options: { schema_mode: 'merge' } };
    assert.equal((await postJson(`${door.url}/stream/s`, await pythonBody(config))).status, 200);
    assert.equal(door.requests[0]?.schemaMode, null);
  });

  test('may come without a config', async (t) => {
    const door = await openDoor(t);
    const { batch } = await pythonBody();
    assert.equal((await postJson(`${door.url}/stream/s`, { batch })).status, 200);
    assert.equal(door.requests[0]?.tableHint, undefined);
  });

  test('that are no JSON, no base64 or no Arrow are IPC_MALFORMED', async (t) => {
    const door = await openDoor(t);
    const good = await pythonBody();
    const schema = schemaMessage().toString('base64');
    const bodies: unknown[] = [
      '{"config":',
      '[]',
      { config: good['config'] },
      { batch: { arrow_schema: schema } },
      { batch: { arrow_schema: 'invalid', data: 'invalid' } },
      { batch: { arrow_schema: schema, data: '!!!!' } },
      { batch: { arrow_schema: schema, data: '' } },
      { batch: { ...(good['batch'] as object), arrow_schema: Buffer.from('nothing').toString('base64') } },
    ];
    for (const body of bodies) {
      const response = await postJson(`${door.url}/stream/s`, body);
      assert.equal(response.status, 400, JSON.stringify(body));
      assert.equal((await readProblem(response)).code, 'IPC_MALFORMED');
    }
  });

  test('with an option that cannot be are OPTION_INVALID', async (t) => {
    const door = await openDoor(t);
    const configs = [
      { target_table: 'x; DROP TABLE y' },
      { target_table: 5 },
      { target_table: 's', storage_backend: 'oracle' },
      { target_table: 's', storage_backend: 'delta', delta_options: { partition_by: 'day' } },
      { target_table: 's', storage_backend: 'delta', delta_options: { schema_mode: 'x' } },
    ];
    for (const config of configs) {
      const response = await postJson(`${door.url}/stream/s`, await pythonBody(config));
      assert.equal(response.status, 422, JSON.stringify(config));
      assert.equal((await readProblem(response)).code, 'OPTION_INVALID');
    }
    assert.equal(door.requests.length, 0);
  });

  test('are held whole and so are bounded by limits.max_message_bytes', async (t) => {
    const door = await openDoor(t, { settings: { maxMessageBytes: 500 } });
    const response = await postJson(`${door.url}/stream/s`, await pythonBody());
    assert.equal(response.status, 413);
    const problem = await readProblem(response);
    assert.equal(problem.code, 'BODY_TOO_LARGE');
    assert.equal(problem.limit, 'limits.max_message_bytes');
  });
});
