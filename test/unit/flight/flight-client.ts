import assert from 'node:assert/strict';
import { runPython } from '../../support/python.ts';

const prelude = `
import json, sys, time
import pyarrow as pa
import pyarrow.flight as fl

client = fl.connect(sys.argv[1])
path = fl.FlightDescriptor.for_path
command = lambda **fields: fl.FlightDescriptor.for_command(json.dumps(fields).encode())
table = pa.table({'a': list(range(1000))})

def put(descriptor, table, options=None, batch_rows=None):
    writer, reader = client.do_put(descriptor, table.schema, options)
    writer.write_table(table, batch_rows)
    writer.done_writing()
    receipts = []
    while (result := reader.read()) is not None:
        receipts.append(json.loads(result.to_pybytes()))
    writer.close()
    return receipts

def attempt(name, run):
    started = time.monotonic()
    answer = {}
    try:
        answer['value'] = run()
    except Exception as error:
        answer['error'] = type(error).__name__
        answer['message'] = str(error)
    answer['seconds'] = time.monotonic() - started
    print(json.dumps([name, answer]), flush=True)
`;

/** What an attempt of the Python client came to. */
export interface Attempt {
  readonly value?: unknown;
  /** The Python class of the error. */
  readonly error?: string;
  readonly message?: string;
  readonly seconds: number;
}

/**
 * Runs Python with a connected PyArrow Flight client and returns what each `attempt(name, function)` came to.
 * `client`, `path`, `command`, `table` (1,000 rows of one column), `put` and `attempt` are there.
 */
export async function runClient(url: string, source: string): Promise<ReadonlyMap<string, Attempt>> {
  const { stdout, stderr, code } = await runPython(`${prelude}\n${source}`, [url]);
  assert.equal(code, 0, stderr);
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, Attempt]),
  );
}

/** The attempt of that name; fails the test when it is missing. */
export function readAttempt(attempts: ReadonlyMap<string, Attempt>, name: string): Attempt {
  const attempt = attempts.get(name);
  assert.ok(attempt, `${name} was not attempted`);
  return attempt;
}

/** The value that an attempt returned; fails the test when it raised. */
export function readValue(attempts: ReadonlyMap<string, Attempt>, name: string): unknown {
  const { value, error, message } = readAttempt(attempts, name);
  assert.equal(error, undefined, `${name}: ${message}`);
  return value;
}
