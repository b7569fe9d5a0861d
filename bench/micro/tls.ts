/**
 * What encryption costs a load over HTTP: the same rows into DuckDB files of two servers, one with TLS and, as the peer,
 * one without, in turns. Prints million rows a second of each (medians) and the difference.
 * Usage: node bench/micro/tls.ts [million rows, 3 by default] [rounds, 5 by default]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestPlain } from 'node:http';
import { request as requestEncrypted } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../src/core/array-data.ts';
import { createTestAuthority } from '../../test/support/certificates.ts';

const rowsOfBatch = 122_880;
const columnCount = 6;
const [millions = '3', rounds = '5'] = process.argv.slice(2);
const batches = Math.ceil((Number(millions) * 1e6) / rowsOfBatch);
const folder = mkdtempSync(join(tmpdir(), 'arrowport-tls-'));
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const authority = createTestAuthority();

/** A column of floats; six of them are 48 bytes a row. */
function makeColumn(index: number): ArrayData {
  const values = Float64Array.from({ length: rowsOfBatch }, (_, row) => Math.sin(row * (index + 1)));
  return {
    field: {
      name: `value_${index}`,
      type: { kind: 'float', bitWidth: 64 },
      nullable: true,
      children: [],
      dictionary: null,
      metadata: new Map(),
    },
    length: rowsOfBatch,
    nullCount: 0,
    buffers: [null, new Uint8Array(values.buffer)],
    children: [],
    dictionary: null,
  };
}

async function makeBody(): Promise<Buffer> {
  const columns = Array.from({ length: columnCount }, (_, index) => makeColumn(index));
  const schema = { fields: columns.map(({ field }) => field), metadata: new Map<string, string>() };
  const { metadata, body } = await encodeRecordBatchMessage(columns, rowsOfBatch, { codec: null });
  const batch = Buffer.concat([frameMetadata(metadata), body]);
  return Buffer.concat([
    frameMetadata(encodeSchemaMessage(schema)),
    ...Array.from({ length: batches }, () => batch),
    endOfStream,
  ]);
}

interface Server {
  /** Sends the body to a table of its own; resolves with million rows a second. */
  load(table: string, body: Buffer): Promise<number>;
  stop(): Promise<void>;
}

async function startServer(name: string, tls: string): Promise<Server> {
  const config = join(folder, `${name}.yaml`);
  writeFileSync(
    config,
    `host: 127.0.0.1\nport: 0\ndb_path: ${join(folder, name)}.duckdb\nlog: {format: json}\n${tls}`,
  );
  const server = spawn(process.execPath, [main, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let port = 0;
  for await (const line of createInterface({ input: server.stdout })) {
    const entry = JSON.parse(line) as { msg: string; port?: number };
    if (entry.msg !== 'listening') continue;
    port = entry.port ?? 0;
    break;
  }
  server.stdout.resume();
  const send = tls === '' ? requestPlain : requestEncrypted;
  const url = `${tls === '' ? 'http' : 'https'}://127.0.0.1:${port}`;
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
    async stop() {
      server.kill();
      if (server.exitCode === null) await once(server, 'exit');
    },
  };
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

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
