import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { runPythonJson } from '../support/python.ts';
import type { TestServer } from '../support/server.ts';

/** What one client met on its way to a receipt. */
export interface Delivery {
  readonly rows: number;
  /** How often it was told to come again later. */
  readonly refusals: number;
  /** How often the connection broke. */
  readonly breaks: number;
}

const SLICE_BYTES = 256 * 1024;
const PATIENCE_MS = 30 * 60_000;

/** One HTTP answer, its body parsed. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

/** Sends a body in slices, as fast as the socket takes them. */
export function upload(
  server: Pick<TestServer, 'port'>,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  const outgoing = request({
    host: '127.0.0.1',
    port: server.port,
    method: 'POST',
    path,
    headers: {
      'content-type': 'application/vnd.apache.arrow.stream',
      'content-length': body.byteLength,
      ...headers,
    },
    agent: new Agent({ keepAlive: false }),
  });
  let sent = 0;
  const send = () => {
    while (sent < body.byteLength) {
      const slice = body.subarray(sent, sent + SLICE_BYTES);
      sent += slice.byteLength;
      if (!outgoing.write(slice)) {
        outgoing.once('drain', send);
        return;
      }
    }
    outgoing.end();
  };
  return new Promise((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', reject);
      incoming.on('end', () => {
        // An early answer: what is left of the body would only be thrown away.
        if (sent < body.byteLength) outgoing.destroy();
        const text = Buffer.concat(parts).toString('utf8');
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: JSON.parse(text) });
      });
    });
    send();
  });
}

/** Sends a body again and again until it has its receipt, waiting as `Retry-After` says. Throws any other answer. */
export async function deliver(
  server: Pick<TestServer, 'port'>,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Delivery> {
  const deadline = Date.now() + PATIENCE_MS;
  let refusals = 0;
  let breaks = 0;
  while (Date.now() < deadline) {
    let answer: HttpAnswer;
    try {
      answer = await upload(server, path, body, headers);
    } catch {
      breaks += 1;
      await sleep(1000);
      continue;
    }
    if (answer.status === 200) return { rows: Number(answer.body['rows_processed']), refusals, breaks };
    if (answer.body['outcome'] !== 'retryable') {
      throw new Error(`A load was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    refusals += 1;
    const seconds = Number(answer.headers['retry-after']);
    if (!(seconds >= 1 && seconds <= 30)) throw new Error('A retryable answer has no Retry-After.');
    await sleep(seconds * 1000);
  }
  throw new Error('A load did not get through.');
}

const putSource = `
import json, sys, time, threading
import pyarrow as pa
import pyarrow.flight as fl

url, path, count, source = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
table = pa.ipc.open_stream(pa.memory_map(source)).read_all()
results = []

def put(i):
    refusals = breaks = 0
    deadline = time.time() + 1800
    while time.time() < deadline:
        client = fl.connect(url)
        try:
            writer, reader = client.do_put(fl.FlightDescriptor.for_path(*path), table.schema)
            for batch in table.to_batches():
                writer.write_batch(batch)
            writer.done_writing()
            receipt = None
            while (part := reader.read()) is not None:
                receipt = json.loads(part.to_pybytes())
            writer.close()
            results.append({"rows": receipt["rows_processed"], "refusals": refusals, "breaks": breaks})
            return
        except fl.FlightUnavailableError as error:
            refusals += 1
            if "OVERLOADED" not in str(error) and "SHUTTING_DOWN" not in str(error):
                breaks += 1
            time.sleep(1)
        except fl.FlightError as error:
            if "OVERLOADED" in str(error) or "UNAVAILABLE" in str(error):
                refusals += 1
                time.sleep(1)
            else:
                results.append({"error": str(error)})
                return
        finally:
            client.close()

threads = [threading.Thread(target=put, args=(i,)) for i in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(results))
`;

/** Puts the same table over Flight with `count` clients at once, each until it has its receipt. */
export async function deliverByFlight(
  server: Pick<TestServer, 'flightUrl'>,
  path: readonly string[],
  count: number,
  file: string,
): Promise<readonly Delivery[]> {
  const args = [server.flightUrl, JSON.stringify(path), String(count), file];
  const results = await runPythonJson<readonly (Delivery & { error?: string })[]>(putSource, args, {
    timeoutMs: PATIENCE_MS,
  });
  const failed = results.find(({ error }) => error !== undefined);
  if (failed !== undefined) throw new Error(`A put failed: ${failed.error}`);
  return results;
}
