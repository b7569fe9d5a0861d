import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runPythonJson, testPython } from '../../test/support/python.ts';
import { startServer, type TestServer } from '../../test/support/server.ts';
import { type CleanupOwner, makeTempFolder } from '../../test/support/temp-folder.ts';
import {
  type BenchData,
  type ClientResult,
  type Codec,
  type Contender,
  peerScript,
  readPeakBytes,
} from './contenders.ts';

type Writer = 'auto' | 'duckdb' | 'delta-rs';
/** `resent`: over Flight, by a client that sends the messages of the stream as they are. */
type Transport = 'flight' | 'resent' | 'http';

const table = 'bench';
/** More than there are: warm-up loads are as large as the measured one, here and with the peer. */
const allBatches = '1000000';
/** Loads before the measured one: what is measured are servers that run, not programs that start. */
const warmUps = '3';

/** Everything that is measured of Delta, in the order in which a round runs it. */
export const deltaContenders: readonly Contender[] = [
  arrowport('flight', 'plain', 'auto'),
  writeDeltalake('plain'),
  arrowport('http', 'plain', 'auto'),
  arrowport('flight', 'zstd', 'auto'),
  arrowport('resent', 'zstd', 'auto'),
  writeDeltalake('zstd'),
  arrowport('http', 'zstd', 'auto'),
];

/** Both ways of writing data files beside each other; only measured when they are asked for. */
export const deltaWays: readonly Contender[] = (['plain', 'zstd'] as const).flatMap((codec) =>
  (['flight', 'http'] as const).flatMap((transport) =>
    (['duckdb', 'delta-rs'] as const).map((writer) => arrowport(transport, codec, writer)),
  ),
);

function arrowport(transport: Transport, codec: Codec, writer: Writer): Contender {
  const door = { flight: 'Flight', resent: 'Flight', http: 'HTTP' }[transport];
  const client = transport !== 'flight' || codec === 'plain' ? '' : ', compressed by the client as it sends';
  const forced = writer === 'auto' ? '' : `, written by ${writer}`;
  return {
    id: `${writer === 'auto' ? 'delta' : `ways-${writer}`}-${transport}-${codec}`,
    title: `Arrowport, ${door}, ${codec}${client}${forced}`,
    peer: `delta-peer-${codec}`,
    target: 'delta',
    run: async (owner, data) => {
      const server = await startDeltaServer(owner, writer);
      const send = { flight: sendFlight, resent: resendFlight, http: sendHttp }[transport];
      const result = await send(server, data, codec);
      const peakBytes = readPeakBytes(server.pid);
      await server.stop();
      await checkRows(result, join(server.folder, 'tables', table), data, true);
      return { seconds: result.seconds, peakBytes };
    },
  };
}

/** The peer: delta-rs's own writer, from the same bytes in its memory. It does not keep the order of rows. */
function writeDeltalake(codec: Codec): Contender {
  return {
    id: `delta-peer-${codec}`,
    title: `write_deltalake, in process, ${codec}`,
    peer: undefined,
    target: 'delta',
    run: async (owner, data) => {
      const folder = join(makeTempFolder(owner), table);
      const result = await runPythonJson<ClientResult & { peak_bytes: number }>(
        peerScript('write_deltalake.py'),
        [folder, data[codec], warmUps],
      );
      await checkRows(result, folder, data, false);
      return { seconds: result.seconds, peakBytes: result.peak_bytes };
    },
  };
}

function startDeltaServer(owner: CleanupOwner, writer: Writer): Promise<TestServer> {
  if (testPython === undefined) throw new Error('The bench needs Python 3.11 to 3.13.');
  return startServer(owner, {
    config: `storage_backend: delta
delta_config: {table_path: ./tables, auto_compact: false}
streams: {"*": {delta_options: {writer: ${writer}}}}
`,
    // The same delta-rs as the peer's.
    env: { ARROWPORT_DELTA_PYTHON: testPython },
  });
}

function sendFlight(server: TestServer, data: BenchData, codec: Codec): Promise<ClientResult> {
  const args = [String(server.flightPort), table, data.plain, codec, allBatches, warmUps];
  return runPythonJson<ClientResult>(peerScript('flight_client.py'), args);
}

function resendFlight(server: TestServer, data: BenchData, codec: Codec): Promise<ClientResult> {
  const args = [String(server.flightPort), table, data[codec], warmUps];
  return runNodeJson<ClientResult>(peerScript('resend-flight.ts'), args);
}

async function runNodeJson<T>(script: string, args: readonly string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args]);
  return JSON.parse(stdout) as T;
}

function sendHttp(server: TestServer, data: BenchData, codec: Codec): Promise<ClientResult> {
  const args = [String(server.port), table, data[codec], data[codec], warmUps, 'whole'];
  return runPythonJson<ClientResult>(peerScript('http_client.py'), args);
}

async function checkRows(
  result: ClientResult,
  folder: string,
  data: BenchData,
  ordered: boolean,
): Promise<void> {
  const found = await runPythonJson<{ rows: number; id_sum: number; ordered: boolean }>(
    peerScript('count_delta_rows.py'),
    [folder],
  );
  const idSum = (data.rows * (data.rows - 1)) / 2;
  if (result.rows !== data.rows || found.rows !== data.rows || found.id_sum !== idSum) {
    throw new Error(
      `${data.rows} rows were sent, ${result.rows} acknowledged and ${found.rows} are in the table.`,
    );
  }
  if (ordered && !found.ordered) throw new Error('The rows did not stay in their order.');
}
