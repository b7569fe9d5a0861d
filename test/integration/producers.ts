import { Agent, type IncomingMessage, request } from 'node:http';
import type { CommitReceipt } from '../../src/core/receipt.ts';
import { runPythonJson } from '../support/python.ts';
import type { TestServer } from '../support/server.ts';

/** The media type of an IPC stream. */
export const arrowStream = 'application/vnd.apache.arrow.stream';

/** An answer with its body parsed. */
export interface Answer<T = Readonly<Record<string, unknown>>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** Sends Arrow bytes to `POST /ingest/{stream}`. */
export async function post(
  server: Pick<TestServer, 'url'>,
  stream: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${server.url}/ingest/${stream}`, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': arrowStream, ...headers },
  });
  const parsed = (await response.json()) as Readonly<Record<string, unknown>>;
  return { status: response.status, headers: response.headers, body: parsed };
}

/** Sends Arrow bytes that must be committed, and returns the receipt. */
export async function ingest(
  server: Pick<TestServer, 'url'>,
  stream: string,
  body: Uint8Array,
): Promise<CommitReceipt> {
  const answer = await post(server, stream, body);
  if (answer.status !== 200) throw new Error(`The load was refused: ${JSON.stringify(answer.body)}`);
  return answer.body as unknown as CommitReceipt;
}

/** The JSON that a path of the server answers. */
export async function getJson<T = Readonly<Record<string, unknown>>>(
  server: Pick<TestServer, 'url'>,
  path: string,
): Promise<Answer<T>> {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, headers: response.headers, body: (await response.json()) as T };
}

/** A load over HTTP whose body comes when the test says so. */
export interface OpenIngest {
  write(bytes: Uint8Array): void;
  /** Ends the body and resolves with the answer. */
  finish(bytes?: Uint8Array): Promise<{
    status: number;
    headers: IncomingMessage['headers'];
    body: CommitReceipt & Record<string, unknown>;
  }>;
  /** Resolves with the answer, whenever it comes. */
  readonly answer: ReturnType<OpenIngest['finish']>;
  /** Breaks the connection. */
  destroy(): void;
}

/** Begins a chunked `POST /ingest/{stream}`; `agent` lets several requests share a connection. */
export function openIngest(server: Pick<TestServer, 'port'>, stream: string, agent?: Agent): OpenIngest {
  const outgoing = request({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    path: `/ingest/${stream}`,
    headers: { 'content-type': arrowStream, 'transfer-encoding': 'chunked' },
    agent: agent ?? new Agent({ keepAlive: false }),
  });
  const answer = new Promise<Awaited<OpenIngest['answer']>>((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString('utf8'));
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
      });
    });
  });
  answer.catch(() => undefined);
  return {
    write: (bytes) => void outgoing.write(bytes),
    finish(bytes) {
      outgoing.end(bytes);
      return answer;
    },
    answer,
    destroy: () => void outgoing.destroy(),
  };
}

/** What PyArrow got for one DoPut: every receipt, or the error that ended it. */
export interface PutResult {
  readonly receipts: readonly CommitReceipt[];
  readonly error: string | null;
}

const putSource = `
import http.client, json, os, signal, sys, time
from urllib.parse import urlparse
import numpy as np
import pyarrow as pa
import pyarrow.flight as fl

def do_put(url, descriptor, table, batch_rows=None, pause=0.0, options=None):
    client = fl.connect(url)
    receipts, error = [], None
    try:
        writer, reader = client.do_put(descriptor, table.schema, options or fl.FlightCallOptions(timeout=200))
        for batch in table.to_batches(max_chunksize=batch_rows):
            writer.write_batch(batch)
            if pause:
                time.sleep(pause)
        writer.done_writing()
        while True:
            buffer = reader.read()
            if buffer is None:
                break
            receipts.append(json.loads(buffer.to_pybytes()))
        writer.close()
    except fl.FlightError as exc:
        error = str(exc)
    except pa.ArrowException as exc:
        error = str(exc)
    client.close()
    return {"receipts": receipts, "error": error}

url = sys.argv[1]

def open_put(stream, table):
    # A DoPut that may go on after its first batch.
    client = fl.connect(url)
    writer, reader = client.do_put(fl.FlightDescriptor.for_path(stream), table.schema)
    writer.write_table(table)
    return client, writer, reader

class Door:
    """A connection to the HTTP door of the port that both doors share."""
    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", urlparse(url).port)

    def get(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

def wait_for_loads(count):
    door = Door()
    while f"\\narrowport_active_streams {count}\\n" not in door.get("/metrics")[1]:
        time.sleep(0.01)

def terminate(pid):
    """Sends SIGTERM and returns when the server says that it is shutting down."""
    door = Door()
    door.get("/health/ready")
    os.kill(pid, signal.SIGTERM)
    try:
        while door.get("/health/ready")[0] == 200:
            time.sleep(0.01)
    except (OSError, http.client.HTTPException):
        pass  # The HTTP door closes at once when it has no loads of its own.
`;

/**
 * Runs Python that has \`do_put(url, descriptor, table, batch_rows, pause)\`, \`open_put(stream, table)\`,
 * \`wait_for_loads(count)\`, \`terminate(pid)\`, \`url\`, \`pa\`, \`np\`, \`fl\` and \`json\`, and parses the last line it
 * prints.
 */
export function runFlight<T = PutResult>(server: Pick<TestServer, 'flightUrl'>, source: string): Promise<T> {
  return runPythonJson<T>(`${putSource}\n${source}`, [server.flightUrl]);
}

/** The rows that a query of the stopped server's database file answers, read by the Python package of DuckDB. */
export function queryFile(server: Pick<TestServer, 'dbPath'>, sql: string): Promise<readonly unknown[][]> {
  const source = `
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    print(json.dumps(db.sql(sys.argv[2]).fetchall(), default=str))
`;
  return runPythonJson(source, [server.dbPath, sql]);
}
