import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { test } from 'node:test';
import { arrowBytes } from '../../support/arrow.ts';
import { waitFor } from '../../support/patience.ts';
import { skipWithoutPython } from '../../support/python.ts';
import { startServer } from '../../support/server.ts';

const needsPython = { skip: skipWithoutPython };
const endMarkerBytes = 8;
const arrowStream = { 'content-type': 'application/vnd.apache.arrow.stream' };

test(
  'a load that waits for another one’s table is not committed once its client is gone',
  needsPython,
  async (t) => {
    const server = await startServer(t, { config: 'streams: {waits: {chunk_size: 1024}}\n' });
    const first = await arrowBytes('table = pa.table({"a": np.arange(40000)})', { batchRows: 10_000 });
    const second = await arrowBytes('table = pa.table({"b": ["other"]})');
    const rowCount = async () => {
      const summary = (await (await fetch(`${server.url}/streams/waits`)).json()) as Record<string, unknown>;
      return summary['row_count'];
    };
    const activeStreams = async () =>
      /^arrowport_active_streams (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1];

    const stalled = request(`${server.url}/ingest/waits`, { method: 'POST', headers: arrowStream });
    stalled.on('error', () => undefined);
    stalled.write(first.subarray(0, -endMarkerBytes));
    // Nobody is shown a table before its first commit, but the write-ahead log has it.
    const log = `${server.dbPath}.wal`;
    await waitFor(
      'the first load has made the table',
      async () => existsSync(log) && readFileSync(log).includes('waits'),
    );
    assert.equal(await rowCount(), null);

    const gone = new AbortController();
    const waiting = fetch(`${server.url}/ingest/waits`, {
      method: 'POST',
      headers: arrowStream,
      body: new Uint8Array(second),
      signal: gone.signal,
    });
    await waitFor('the second load runs', async () => (await activeStreams()) === '2');
    gone.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    await waitFor('the load whose client is gone has ended', async () => (await activeStreams()) === '1');

    stalled.destroy();
    await waitFor('the first load has ended too', async () => (await activeStreams()) === '0');
    assert.equal(await rowCount(), null);
  },
);
