/**
 * What encryption costs a load over HTTP: the same rows into DuckDB files of two servers, one with TLS and, as the peer,
 * one without, in turns. Prints million rows a second of each (medians) and the difference.
 * Usage: node bench/micro/tls.ts [million rows, 3 by default] [rounds, 5 by default]
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestPlain } from 'node:http';
import { request as requestEncrypted } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestAuthority } from '../../test/support/certificates.ts';
import { bytesOf, encodeRepeated, makeColumn, median, rowsOfBatch } from './arrow-rows.ts';
import { startOwnServer } from './own-server.ts';

const columnCount = 6;
const [millions = '3', rounds = '5'] = process.argv.slice(2);
const batches = Math.ceil((Number(millions) * 1e6) / rowsOfBatch);
const folder = mkdtempSync(join(tmpdir(), 'arrowport-tls-'));
const authority = createTestAuthority();

/** Six columns of floats are 48 bytes a row. */
async function makeBody(): Promise<Buffer> {
  const columns = Array.from({ length: columnCount }, (_, index) => {
    const values = Float64Array.from({ length: rowsOfBatch }, (_, row) => Math.sin(row * (index + 1)));
    return makeColumn(`value_${index}`, { kind: 'float', bitWidth: 64 }, [null, bytesOf(values)]);
  });
  const { head, batch, end } = await encodeRepeated(columns);
  return Buffer.concat([head, ...Array.from({ length: batches }, () => batch), end]);
}

interface Server {
  /** Sends the body to a table of its own; resolves with million rows a second. */
  load(table: string, body: Buffer): Promise<number>;
  stop(): Promise<void>;
}

async function startServer(name: string, tls: string): Promise<Server> {
  const config = join(folder, `${name}.yaml`);
  writeFileSync(config, `host: 127.0.0.1\ndb_path: ${join(folder, name)}.duckdb\n${tls}`);
  const server = await startOwnServer(folder, ['--config', config]);
  const send = tls === '' ? requestPlain : requestEncrypted;
  const url = `${tls === '' ? 'http' : 'https'}://127.0.0.1:${server.port}`;
  return {
    async load(table, body) {
      const startedAt = performance.now();
      const headers = { 'content-type': 'application/vnd.apache.arrow.stream' };
      const asked = send(`${url}/ingest/${table}`, { method: 'POST', ca: authority.cert, headers });
      asked.end(body);
      const [answer] = await once(asked, 'response');
      answer.resume();
      await once(answer, 'end');
      if (answer.statusCode !== 200) throw new Error(`${name} answered ${answer.statusCode}.`);
      return (batches * rowsOfBatch) / 1e3 / (performance.now() - startedAt);
    },
    stop: () => server.stop(),
  };
}

const { cert, key } = authority.issue();
writeFileSync(join(folder, 'cert.pem'), cert);
writeFileSync(join(folder, 'key.pem'), key);
const encrypted = await startServer(
  'encrypted',
  `tls: {cert: ${join(folder, 'cert.pem')}, key: ${join(folder, 'key.pem')}}\n`,
);
const plain = await startServer('plain', '');
try {
  const body = await makeBody();
  const rates: { plain: number[]; encrypted: number[] } = { plain: [], encrypted: [] };
  // The first round warms up.
  for (let round = 0; round <= Number(rounds); round += 1) {
    const without = await plain.load(`t${round}`, body);
    const withTls = await encrypted.load(`t${round}`, body);
    if (round === 0) continue;
    rates.plain.push(without);
    rates.encrypted.push(withTls);
  }
  const costs = 1 - median(rates.encrypted) / median(rates.plain);
  console.log(
    `${batches * rowsOfBatch} rows: plain ${median(rates.plain).toFixed(2)}, TLS ${median(rates.encrypted).toFixed(2)} million rows/s; ` +
      `TLS costs ${(costs * 100).toFixed(1)} %`,
  );
} finally {
  await Promise.all([encrypted.stop(), plain.stop()]);
  rmSync(folder, { recursive: true, force: true });
}
