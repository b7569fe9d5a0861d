/**
 * What checking Arrow buffers costs: the same rows into a DuckDB file with the checks and, as the peer, without them
 * (for this bench alone), in turns. Prints server CPU seconds for each and the share of the checks.
 * Usage: node bench/micro/validation.ts [million rows, 5 by default] [rounds, 5 by default]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArrayData } from '../../src/core/array-data.ts';
import type { ArrowType } from '../../src/core/schema.ts';
import {
  bytesOf,
  encodeRepeated,
  makeColumn,
  median,
  type RepeatedBatch,
  rowsOfBatch,
} from './arrow-rows.ts';
import { startOwnServer } from './own-server.ts';

const [millions = '5', rounds = '5'] = process.argv.slice(2);
const batches = Math.ceil((Number(millions) * 1e6) / rowsOfBatch);
const folder = mkdtempSync(join(tmpdir(), 'arrowport-validation-'));

function texts(name: string, of: (row: number) => string): ArrayData {
  const values = Array.from({ length: rowsOfBatch }, (_, row) => of(row));
  const offsets = new Int32Array(rowsOfBatch + 1);
  for (const [row, value] of values.entries()) offsets[row + 1] = (offsets[row] ?? 0) + value.length;
  return makeColumn(name, { kind: 'utf8' }, [null, bytesOf(offsets), Buffer.from(values.join(''))]);
}

/** Integers, a time, two short texts, a float with nulls and a bool: about 51 bytes a row. */
function makeColumns(): ArrayData[] {
  const int64: ArrowType = { kind: 'int', bitWidth: 64, signed: true };
  const ids = BigInt64Array.from({ length: rowsOfBatch }, (_, row) => BigInt(row));
  const floats = Float64Array.from({ length: rowsOfBatch }, (_, row) => Math.sin(row));
  const valid = new Uint8Array(rowsOfBatch / 8).fill(0b1111_0111);
  return [
    makeColumn('id', int64, [null, bytesOf(ids)]),
    makeColumn('at', { kind: 'timestamp', unit: 'microsecond', timezone: null }, [null, bytesOf(ids)]),
    texts('city', (row) => `city ${row % 1000}`),
    texts('device', (row) => `device-${(row * 7919) % 100_000}`),
    makeColumn('value', { kind: 'float', bitWidth: 64 }, [valid, bytesOf(floats)], rowsOfBatch / 8),
    makeColumn('flag', { kind: 'bool' }, [null, new Uint8Array(rowsOfBatch / 8).fill(0b1010_0101)]),
  ];
}

/** A module hook that answers every check of the decoder with yes; what is read besides checking stays. */
const withoutChecks = `
import { registerHooks } from 'node:module';
const stubs = {
  'validate-indices.ts': 'export const areIndices = () => true, areDenseOffsets = () => true;',
  'validate-offsets.ts': 'export const areOffsets32 = () => true, areOffsets64 = () => true, areRunEnds = () => true;',
  'validate-text.ts': 'export const isTextArray = () => true;',
  'validate-views.ts': 'export const areTextViews = () => true;',
};
registerHooks({
  load(url, context, next) {
    const name = new URL(url).pathname.split('/').at(-1);
    if (url.includes('?checked') || stubs[name] === undefined) return next(url, context);
    const source = "export * from './" + name + "?checked'; " + stubs[name];
    return { format: 'module', source, shortCircuit: true };
  },
});`;
const hook = join(folder, 'without-checks.mjs');
writeFileSync(hook, withoutChecks);

interface Run {
  readonly cpuSeconds: number;
  readonly seconds: number;
}

async function measure(checked: boolean, round: number, body: RepeatedBatch): Promise<Run> {
  const database = join(folder, `${checked}-${round}.duckdb`);
  const server = await startOwnServer(folder, ['--db', database], checked ? [] : ['--import', hook]);
  await send(server.port, body, 1);
  const before = cpuSeconds(server.pid);
  const startedAt = performance.now();
  await send(server.port, body, batches);
  const run = {
    cpuSeconds: cpuSeconds(server.pid) - before,
    seconds: (performance.now() - startedAt) / 1000,
  };
  await server.stop();
  rmSync(database, { force: true });
  return run;
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function send(port: number, { head, batch, end }: RepeatedBatch, times: number): Promise<void> {
  const headers = { 'content-type': 'application/vnd.apache.arrow.stream', 'transfer-encoding': 'chunked' };
  const agent = new Agent({ keepAlive: false });
  const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path: '/ingest/rows', headers, agent });
  const answered = new Promise<void>((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      incoming.resume();
      if (incoming.statusCode === 200) incoming.on('end', resolve);
      else reject(new Error(`The load was answered ${incoming.statusCode}.`));
    });
  });
  outgoing.write(head);
  for (let time = 0; time < times; time += 1) {
    if (!outgoing.write(batch)) await new Promise((resolve) => outgoing.once('drain', resolve));
  }
  outgoing.end(end);
  await answered;
}

const body = await encodeRepeated(makeColumns());
const runs: Record<'checked' | 'unchecked', Run[]> = { checked: [], unchecked: [] };
for (let round = 0; round < Number(rounds); round += 1) {
  runs.checked.push(await measure(true, round, body));
  runs.unchecked.push(await measure(false, round, body));
}
rmSync(folder, { recursive: true, force: true });
const checked = median(runs.checked.map((run) => run.cpuSeconds));
const unchecked = median(runs.unchecked.map((run) => run.cpuSeconds));
const rows = batches * rowsOfBatch;
process.stdout.write(
  `${JSON.stringify({
    rows,
    checkedCpuSeconds: checked,
    uncheckedCpuSeconds: unchecked,
    shareOfChecks: Number(((checked - unchecked) / checked).toFixed(4)),
    checkedRowsPerSecond: Math.round(rows / median(runs.checked.map((run) => run.seconds))),
    uncheckedRowsPerSecond: Math.round(rows / median(runs.unchecked.map((run) => run.seconds))),
  })}\n`,
);
