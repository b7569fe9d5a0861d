import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runPythonJson, testPython } from '../../test/support/python.ts';
import { startServer } from '../../test/support/server.ts';
import { type CleanupOwner, makeTempFolder } from '../../test/support/temp-folder.ts';

/** One measured load: 5 million rows, or as many as were asked for, into a fresh database file. */
export interface Measurement {
  readonly seconds: number;
  /** Most resident memory of the server's process; `undefined` where the system does not tell. */
  readonly peakBytes: number | undefined;
}

/** The Arrow streams that every contender loads, as paths of files. */
export interface BenchData {
  readonly rows: number;
  readonly plain: string;
  readonly zstd: string;
  readonly warmUp: string;
}

/** Compression of the IPC buffers. */
export type Codec = 'plain' | 'zstd';

/** One way of loading the rows. Each `run` starts a process of its own, warms it up, measures and checks one load. */
export interface Contender {
  /** Short and stable: `--only` selects by it. */
  readonly id: string;
  readonly title: string;
  /** The `id` of the contender that this one is compared with. */
  readonly peer: string | undefined;
  /** Where the rows go. */
  readonly target: 'duckdb' | 'delta';
  run(owner: CleanupOwner, data: BenchData): Promise<Measurement>;
}

/** What the clients print. */
export interface ClientResult {
  readonly seconds: number;
  readonly rows: number;
}

const table = 'bench';
const warmUpBatches = '4';
/** The path of a script of `bench/peers`. */
export const peerScript = (name: string) => join(import.meta.dirname, '..', 'peers', name);

/** Everything that is measured of DuckDB, in the order in which a round runs it. */
export const duckdbContenders: readonly Contender[] = [
  arrowportOverFlight('plain'),
  pyarrowServer('plain'),
  arrowportOverFlight('zstd'),
  pyarrowServer('zstd'),
  arrowportOverHttp('plain'),
  duckdbAlone('plain'),
  arrowportOverHttp('zstd'),
  duckdbAlone('zstd'),
];

function arrowportOverFlight(codec: Codec): Contender {
  return {
    id: `flight-${codec}`,
    title: `Arrowport, Flight, ${codec}`,
    peer: `peer-flight-${codec}`,
    target: 'duckdb',
    run: async (owner, data) => {
      const server = await startServer(owner);
      const result = await flightClient(server.flightPort, data, codec);
      const peakBytes = readPeakBytes(server.pid);
      await server.stop();
      await checkRows(result, server.dbPath, data);
      return { seconds: result.seconds, peakBytes };
    },
  };
}

function arrowportOverHttp(codec: Codec): Contender {
  return {
    id: `http-${codec}`,
    title: `Arrowport, HTTP, ${codec}`,
    peer: `duckdb-alone-${codec}`,
    target: 'duckdb',
    run: async (owner, data) => {
      const server = await startServer(owner);
      const args = [String(server.port), table, data[codec], data.warmUp];
      const result = await runPythonJson<ClientResult>(peerScript('http_client.py'), args);
      const peakBytes = readPeakBytes(server.pid);
      await server.stop();
      await checkRows(result, server.dbPath, data);
      return { seconds: result.seconds, peakBytes };
    },
  };
}

function pyarrowServer(codec: Codec): Contender {
  return {
    id: `peer-flight-${codec}`,
    title: `pyarrow Flight server + DuckDB, ${codec}`,
    peer: undefined,
    target: 'duckdb',
    run: async (owner, data) => {
      const dbFile = join(makeTempFolder(owner), 'peer.duckdb');
      const { child, port } = await startPeer(owner, dbFile);
      const result = await flightClient(port, data, codec);
      const peakBytes = readPeakBytes(child.pid ?? 0);
      const closed = once(child, 'close');
      child.stdin?.end();
      await closed;
      await checkRows(result, dbFile, data);
      return { seconds: result.seconds, peakBytes };
    },
  };
}

function duckdbAlone(codec: Codec): Contender {
  return {
    id: `duckdb-alone-${codec}`,
    title: `DuckDB alone, in process, ${codec}`,
    peer: undefined,
    target: 'duckdb',
    run: async (owner, data) => {
      const dbFile = join(makeTempFolder(owner), 'alone.duckdb');
      const args = [dbFile, table, data[codec], warmUpBatches];
      const result = await runPythonJson<ClientResult & { peak_bytes: number }>(
        peerScript('duckdb_alone.py'),
        args,
      );
      await checkRows(result, dbFile, data);
      return { seconds: result.seconds, peakBytes: result.peak_bytes };
    },
  };
}

function flightClient(port: number, data: BenchData, codec: Codec): Promise<ClientResult> {
  const args = [String(port), table, data.plain, codec, warmUpBatches];
  return runPythonJson<ClientResult>(peerScript('flight_client.py'), args);
}

async function startPeer(
  owner: CleanupOwner,
  dbFile: string,
): Promise<{ child: ChildProcess; port: number }> {
  if (testPython === undefined) throw new Error('The bench needs Python 3.11 to 3.13.');
  // Its stderr would be one alignment warning a buffer.
  const child = spawn(testPython, [peerScript('flight_server.py'), dbFile], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  owner.after(() => {
    child.kill('SIGKILL');
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, port: Number(JSON.parse(String(line)).port) };
}

async function checkRows(result: ClientResult, dbFile: string, data: BenchData): Promise<void> {
  const found = await runPythonJson<{ rows: number; id_sum: number }>(peerScript('count_rows.py'), [
    dbFile,
    table,
  ]);
  const idSum = (data.rows * (data.rows - 1)) / 2;
  if (result.rows !== data.rows || found.rows !== data.rows || found.id_sum !== idSum) {
    throw new Error(
      `${data.rows} rows were sent, ${result.rows} acknowledged and ${found.rows} are in the file.`,
    );
  }
}

/** Linux keeps the high-water mark of a process; elsewhere the column stays empty. */
export function readPeakBytes(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const kibibytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
