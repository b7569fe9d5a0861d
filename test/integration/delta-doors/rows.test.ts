import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arrowBytes } from '../../support/arrow.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { runFlight } from '../producers.ts';
import { commit, createCleanups, type DeltaServer, startDeltaServer } from './delta-server.ts';

const source = (from: number) =>
  `table = pa.table({"id": np.arange(${from}, ${from + 1000}), "part": ["a", "b"] * 500, "text": ["line\\nbreak, \\"quoted\\""] * 1000})`;

describe('rows of Delta tables', { skip: skipWithoutPython }, () => {
  let server: DeltaServer;
  let betweenVersions: string;
  const cleanups = createCleanups();
  before(async () => {
    server = await startDeltaServer(cleanups, 'delta_config: {enable_cdc: true}\n');
    await commit(server, '/delta/t?partition_by=part', await arrowBytes(source(0)));
    await sleep(30);
    betweenVersions = new Date().toISOString();
    await sleep(30);
    await commit(server, '/delta/t', await arrowBytes(source(1000)));
  });
  after(() => cleanups.run());

  const get = (path: string, accept?: string) =>
    fetch(`${server.url}/delta/${path}`, accept === undefined ? {} : { headers: { accept } });
  const rows = async (path: string) => {
    const response = await get(path, 'application/json');
    const body = (await response.json()) as readonly Record<string, unknown>[];
    assert.equal(response.status, 200, JSON.stringify(body));
    return body;
  };
  const code = async (path: string, accept?: string) => {
    const response = await get(path, accept);
    assert.match(response.headers.get('content-type') ?? '', /problem\+json/);
    return ((await response.json()) as Record<string, unknown>)['code'];
  };

  test('come in every form, value for value', async () => {
    const forms = {
      arrow: 'application/vnd.apache.arrow.stream',
      zstd: 'application/vnd.apache.arrow.stream;codecs="zstd"',
      json: 'application/json',
      ndjson: 'application/x-ndjson',
      csv: 'text/csv',
      parquet: 'application/vnd.apache.parquet',
    };
    const paths: Record<string, string> = {};
    for (const [form, accept] of Object.entries(forms)) {
      const response = await get('t/rows', accept);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), accept.split(';')[0]);
      assert.equal(response.headers.get('arrowport-table-version'), '1');
      paths[form] = join(server.folder, form);
      writeFileSync(paths[form], Buffer.from(await response.arrayBuffer()));
    }
    const differing = await runPythonJson<string[]>(
      `
import json, sys
import pyarrow as pa, pyarrow.ipc, pyarrow.parquet as pq, pyarrow.csv as pc
paths = json.loads(sys.argv[1])
options = pc.ParseOptions(newlines_in_values=True)
lines = [json.loads(line) for line in open(paths["ndjson"])]
got = {
    "arrow": pa.ipc.open_stream(paths["arrow"]).read_all(),
    "zstd": pa.ipc.open_stream(paths["zstd"]).read_all(),
    "parquet": pq.read_table(paths["parquet"]),
    "csv": pc.read_csv(paths["csv"], parse_options=options),
    "json": pa.Table.from_pylist(json.load(open(paths["json"]))),
    "ndjson": pa.Table.from_pylist(lines),
}
wanted = [{"id": i, "part": "ab"[i % 2], "text": 'line\\nbreak, "quoted"'} for i in range(2000)]
print(json.dumps([n for n, t in got.items() if sorted(t.to_pylist(), key=lambda r: r["id"]) != wanted]))`,
      [JSON.stringify(paths)],
    );
    assert.deepEqual(differing, []);
  });

  test('are those of a version, of a time, or the latest', async () => {
    assert.equal((await rows('t/version/0')).length, 1000);
    assert.equal((await rows('t/version/1')).length, 2000);
    assert.equal((await rows('t/rows')).length, 2000);
    assert.equal((await rows(`t/rows?timestamp=${betweenVersions}`)).length, 1000);
    const east = `${betweenVersions.replace('Z', '')}00000+00:00`;
    assert.equal((await rows(`t/rows?timestamp=${east}`)).length, 1000);
    assert.equal((await rows(`t/rows?timestamp=${encodeURIComponent(east)}`)).length, 1000);
  });

  test('are narrowed by columns, filter and limit', async () => {
    const filter = encodeURIComponent("part = 'b' and id between 1500 and 1503");
    assert.deepEqual(await rows(`t/rows?columns=id,part&filter=${filter}`), [
      { id: 1501, part: 'b' },
      { id: 1503, part: 'b' },
    ]);
    assert.equal((await rows('t/version/1?limit=7')).length, 7);
    assert.deepEqual(await rows('t/rows?limit=0'), []);
    assert.deepEqual(await rows('t/rows?filter=id%3C0'), []);
    const none = await get('t/rows?filter=id%3C0&columns=id,text', 'text/csv');
    assert.equal(await none.text(), 'id,text\n', 'CSV names its columns where it has no rows');
  });

  test('come over Flight too, the results of an action as one Arrow stream', async () => {
    const answers = await runFlight<readonly (readonly unknown[])[]>(
      server,
      `
client = fl.connect(url)
def ask(name, **options):
    try:
        results = client.do_action(fl.Action(name, json.dumps(options).encode()))
        table = pa.ipc.open_stream(b"".join(r.body.to_pybytes() for r in results)).read_all()
        return [table.num_rows, table.column_names]
    except (fl.FlightError, pa.ArrowException) as exc:
        return [word for word in str(exc).replace(":", " ").split() if word.isupper() and "_" in word][:1]
print(json.dumps([
    ask("read", table="t", version=0, columns=["id"], filter="part = 'a'"),
    ask("read", table="t", timestamp="2099-01-01T00:00:00Z", limit=3),
    ask("changes", table="t", **{"from": 0, "to": 0}, columns=["id", "_change_type"]),
    ask("read", table="t", version=77),
    ask("read", table="../t"),
    ask("read", table="t", filter="id <"),
    ask("changes", table="t", since=1),
    ask("read"),
]))`,
    );
    assert.deepEqual(answers, [
      [500, ['id']],
      [3, ['id', 'part', 'text']],
      [1000, ['id', '_change_type']],
      ['VERSION_NOT_FOUND'],
      ['STREAM_NAME_INVALID'],
      ['OPTION_INVALID'],
      ['OPTION_INVALID'],
      ['OPTION_INVALID'],
    ]);
  });

  test('an Accept header is weighed by its qualities', async () => {
    const type = async (accept: string) => (await get('t/rows?limit=1', accept)).headers.get('content-type');
    assert.equal(await type('*/*'), 'application/vnd.apache.arrow.stream');
    assert.equal(await type('text/csv;q=0.5, application/json'), 'application/json');
    assert.equal(await type('text/html, text/*;q=0.1'), 'text/csv');
    assert.equal(await code('t/rows', 'text/html'), 'NOT_ACCEPTABLE');
    assert.equal(await code('t/rows', 'text/csv;q=0'), 'NOT_ACCEPTABLE');
  });

  test('changes between versions have their kind', async () => {
    const deleted = await fetch(`${server.url}/delta/t/delete`, {
      method: 'POST',
      body: '{"predicate": "id = 5"}',
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(deleted.status, 200);
    const changes = await rows('t/changes?from=2&to=2');
    assert.deepEqual(
      changes.map((row) => [row['id'], row['_change_type'], row['_commit_version']]),
      [[5, 'delete', 2]],
    );
    assert.equal((await rows('t/changes?from=1&to=1&filter=id%3C1010')).length, 10);
    assert.equal(await code('t/changes?from=9'), 'VERSION_NOT_FOUND');
    assert.equal(await code('t/changes?from=1&to=0'), 'OPTION_INVALID');
    assert.equal(await code('t/changes?since=1'), 'OPTION_INVALID');
  });

  test('what cannot be read is refused', async () => {
    assert.equal(await code('nowhere/rows'), 'TABLE_NOT_FOUND');
    assert.equal(await code('..%2Ft/rows'), 'STREAM_NAME_INVALID');
    assert.equal(await code('t/version/77'), 'VERSION_NOT_FOUND');
    assert.equal(await code('t/version/latest'), 'OPTION_INVALID');
    assert.equal(await code('t/rows?timestamp=2001-01-01T00:00:00Z'), 'VERSION_NOT_FOUND');
    assert.equal(await code('t/rows?timestamp=yesterday'), 'OPTION_INVALID');
    assert.equal(await code('t/rows?columns=nothing'), 'OPTION_INVALID');
    assert.equal(await code('t/rows?filter=nothing%3D1'), 'OPTION_INVALID');
    assert.equal(await code("t/rows?filter=id%20%3E%20'x'"), 'OPTION_INVALID');
    assert.equal(await code('t/rows?filter=id%20in%20(select%201)'), 'OPTION_INVALID');
    assert.equal(await code('t/rows?limit=-1'), 'OPTION_INVALID');
    assert.equal(await code('t/version/0?timestamp=2001-01-01T00:00:00Z'), 'OPTION_INVALID');
  });
});
