import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CommitReceipt } from '../../../src/core/receipt.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';
import { askTable, compareWithSent } from '../delta/python-readers.ts';
import { getJson, runFlight } from '../producers.ts';
import { commit, createCleanups, type DeltaServer, load, startDeltaServer } from './delta-server.ts';

const config = `
streams:
  events: {storage_backend: delta, target_table: landed, delta_options: {partition_by: [part]}}
  "log.*": {storage_backend: delta}
  replaced: {storage_backend: delta, delta_options: {write_mode: overwrite}}
  ducks: {target_table: ducks}
`;

const source = (from: number, rows = 100) =>
  `table = pa.table({"id": np.arange(${from}, ${from + rows}), "part": ["a", "b"] * ${rows / 2}, "text": [str(i) for i in range(${rows})]})`;

const refusal = ({ body }: { body: Readonly<Record<string, unknown>> }) => body['code'];

describe('loads into Delta tables', { skip: skipWithoutPython }, () => {
  let server: DeltaServer;
  const cleanups = createCleanups();
  before(async () => {
    server = await startDeltaServer(cleanups, config);
  });
  after(() => cleanups.run());

  test('a routed stream lands in its table as the route says, over both doors', async (t) => {
    const first = await arrowBytes(source(0), { codec: 'zstd' });
    const receipt = await commit(server, '/ingest/events', first);
    const { commit_id, duration_ms, bytes, ...rest } = receipt;
    assert.deepEqual(rest, {
      status: 'success',
      stream: 'events',
      table: 'landed',
      storage_backend: 'delta',
      rows_processed: 100,
      batches: 1,
      version: 0,
      replayed: false,
      message: '100 rows committed to landed',
    });
    assert.ok(commit_id.length === 26 && duration_ms > 0 && bytes > 0);
    const put = await runFlight(
      server,
      `${source(100)}\nprint(json.dumps(do_put(url, fl.FlightDescriptor.for_path("events"), table)))`,
    );
    assert.equal(put.error, null);
    assert.deepEqual([put.receipts[0]?.table, put.receipts[0]?.version], ['landed', 1]);
    const sent = [first, await arrowBytes(source(100))];
    const read = await compareWithSent(makeTempFolder(t), server.tablePath('landed'), sent, 'id');
    assert.deepEqual([read.rows, read.polars_rows, read.version, read.differing], [200, 200, 1, []]);
    const { body } = await getJson(server, '/streams/events');
    assert.deepEqual([body['storage_backend'], body['row_count']], ['delta', 200]);
    const partitions = 'answer = t.metadata().partition_columns';
    assert.deepEqual(await askTable(server.tablePath('landed'), partitions), ['part']);
  });

  test('POST /delta/{table} and PATH ["delta", table] write to that table, whatever the routes say', async () => {
    const bytes = await arrowBytes(source(0));
    for (const table of ['ducks', 'events', 'unrouted', 'log.x'])
      assert.equal((await commit(server, `/delta/${table}`, bytes)).table, table);
    const put = await runFlight(
      server,
      `${source(100)}\nprint(json.dumps(do_put(url, fl.FlightDescriptor.for_path("delta", "events"), table)))`,
    );
    assert.deepEqual([put.error, put.receipts[0]?.table, put.receipts[0]?.version], [null, 'events', 1]);
    // The options of a table's route are those of whoever writes to the table.
    await commit(server, '/delta/replaced', bytes);
    await commit(server, '/delta/replaced', await arrowBytes(source(500)));
    assert.deepEqual(
      await askTable(server.tablePath('replaced'), 'answer = min(r["id"] for r in rows)'),
      500,
    );
  });

  test('mode, partition_by, schema_mode and predicate are taken', async () => {
    await commit(server, '/delta/modes?partition_by=part', await arrowBytes(source(0)));
    await commit(
      server,
      `/delta/modes?mode=overwrite&predicate=${encodeURIComponent("part = 'a'")}`,
      await arrowBytes(
        `table = pa.table({"id": pa.array([1000, 1001]), "part": ["a", "a"], "text": ["x", "y"]})`,
      ),
    );
    const count = 'answer = [len(rows), sorted(t.metadata().partition_columns), t.version()]';
    assert.deepEqual(await askTable(server.tablePath('modes'), count), [52, ['part'], 1]);
    const wider = await arrowBytes(
      'table = pa.table({"id": pa.array([7777]), "part": ["c"], "text": ["z"], "extra": [1.5]})',
    );
    assert.equal(refusal(await load(server, '/delta/modes', wider)), 'SCHEMA_MISMATCH');
    await commit(server, '/delta/modes?schema_mode=merge', wider);
    assert.deepEqual(
      await askTable(server.tablePath('modes'), 'answer = [r["extra"] for r in rows if r["id"] == 7777]'),
      [1.5],
    );
    await commit(
      server,
      '/delta/modes?mode=overwrite&schema_mode=overwrite&partition_by=k',
      await arrowBytes('table = pa.table({"k": ["q"], "w": pa.array([1])})'),
    );
    assert.deepEqual(
      await askTable(server.tablePath('modes'), 'answer = [rows, t.metadata().partition_columns]'),
      [[{ k: 'q', w: 1 }], ['k']],
    );
  });

  test('a merge updates, inserts and deletes by keys, over both doors', async () => {
    const table = (rows: string) => `table = pa.table({"id": pa.array([${rows}]), "v": [${rows}]})`;
    await commit(server, '/delta/merged', await arrowBytes(table('1, 2, 3')));
    const fresh = 'table = pa.table({"id": pa.array([3, 4]), "v": [30, 40]})';
    await commit(server, '/delta/merged/merge?on=id', await arrowBytes(fresh));
    const pairs = 'answer = sorted([r["id"], r["v"]] for r in rows)';
    assert.deepEqual(await askTable(server.tablePath('merged'), pairs), [
      [1, 1],
      [2, 2],
      [3, 30],
      [4, 40],
    ]);
    const put = await runFlight(
      server,
      `table = pa.table({"id": pa.array([1, 9]), "v": [0, 0]})
command = {"stream_name": "merged", "storage_backend": "delta", "mode": "merge", "on": ["id"],
           "when_matched": "delete", "when_not_matched": "ignore"}
print(json.dumps(do_put(url, fl.FlightDescriptor.for_command(json.dumps(command)), table)))`,
    );
    assert.deepEqual([put.error, put.receipts[0]?.version], [null, 2]);
    assert.deepEqual(await askTable(server.tablePath('merged'), pairs), [
      [2, 2],
      [3, 30],
      [4, 40],
    ]);
    const bytes = await arrowBytes(fresh);
    for (const query of ['', '?on=', '?on=nothing', '?on=id&when_matched=upsert', '?on=id&key=id'])
      assert.equal(
        refusal(await load(server, `/delta/merged/merge${query}`, bytes)),
        'OPTION_INVALID',
        query,
      );
  });

  test("the bare batch object of the Python Arrowport's clients is taken", async () => {
    const data = await arrowBytes(source(0));
    const schema = await arrowBytes(
      'table = pa.table({"id": pa.array([], pa.int64()), "part": pa.array([], pa.string()), "text": pa.array([], pa.string())})',
    );
    const body = { arrow_schema: schema.toString('base64'), data: data.toString('base64') };
    const json = { 'content-type': 'application/json' };
    const receipt = await commit(server, '/delta/bare', Buffer.from(JSON.stringify(body)), json);
    assert.deepEqual([receipt.table, receipt.rows_processed, receipt.version], ['bare', 100, 0]);
    const broken = await load(server, '/delta/bare', Buffer.from('{"data": 1}'), json);
    assert.equal(refusal(broken), 'IPC_MALFORMED');
  });

  test('an Idempotency-Key writes once, through both doors and over a restart', async () => {
    const key = { 'idempotency-key': 'load-1' };
    const bytes = await arrowBytes(source(0));
    const first = await commit(server, '/delta/once', bytes, key);
    const same = (receipt: CommitReceipt | undefined) => {
      assert.deepEqual({ ...receipt, message: '' }, { ...first, replayed: true, message: '' });
    };
    same(await commit(server, '/delta/once', bytes, key));
    const flight = `${source(0)}
command = {"stream_name": "once", "storage_backend": "delta", "idempotency_key": "load-1"}
print(json.dumps(do_put(url, fl.FlightDescriptor.for_command(json.dumps(command)), table)))`;
    same((await runFlight(server, flight)).receipts[0]);
    await server.kill();
    await server.restart();
    same(await commit(server, '/delta/once', bytes, key));
    assert.equal(
      refusal(await load(server, '/delta/once?mode=overwrite', bytes, key)),
      'IDEMPOTENCY_CONFLICT',
    );
    assert.equal((await commit(server, '/delta/twice', bytes, key)).replayed, false);
    assert.deepEqual(await askTable(server.tablePath('once'), 'answer = [len(rows), t.version()]'), [100, 0]);
  });

  test('what cannot be loaded is refused and leaves no table', async () => {
    const bytes = await arrowBytes(source(0));
    const cases: readonly (readonly [string, string])[] = [
      ['/delta/..%2Foutside', 'STREAM_NAME_INVALID'],
      ['/delta/%2e%2e', 'STREAM_NAME_INVALID'],
      ['/delta/_delta_log', 'OPTION_INVALID'],
      ['/delta/bad?mode=upsert', 'OPTION_INVALID'],
      ['/delta/bad?partition_by=nothing', 'OPTION_INVALID'],
      ['/delta/bad?partition_by=a,,b', 'OPTION_INVALID'],
      ['/delta/bad?schema_mode=overwrite', 'OPTION_INVALID'],
      ['/delta/bad?predicate=true', 'OPTION_INVALID'],
      ['/delta/bad?mode=overwrite&predicate=', 'OPTION_INVALID'],
      ['/delta/bad?mode=overwrite&mode=append', 'OPTION_INVALID'],
      ['/delta/bad?modes=append', 'OPTION_INVALID'],
    ];
    for (const [path, code] of cases) {
      const answer = await load(server, path, bytes);
      // fetch itself resolves dots in a path, so a name of dots may never arrive.
      if (path.includes('%2e') && [404, 405].includes(answer.status)) continue;
      assert.equal(refusal(answer), code, path);
    }
    assert.equal(
      refusal(await load(server, '/delta/bad', bytes.subarray(0, bytes.length - 40))),
      'IPC_TRUNCATED',
    );
    assert.equal((await getJson(server, '/delta/bad')).body['code'], 'TABLE_NOT_FOUND');
  });
});
