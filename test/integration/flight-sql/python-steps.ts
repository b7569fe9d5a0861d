import assert from 'node:assert/strict';
import { runPython } from '../../support/python.ts';

const prelude = `
import json, sys
import pyarrow as pa
import pyarrow.flight as fl
import adbc_driver_flightsql.dbapi as dbapi

url = sys.argv[1]

def step(name, run):
    try:
        print(json.dumps([name, {'value': run()}], default=str), flush=True)
    except Exception as error:
        print(json.dumps([name, {'error': type(error).__name__, 'message': str(error)}]), flush=True)
`;

/** What a step came to: its value as JSON, or the Python class and the text of its error. */
interface Step {
  readonly value?: unknown;
  readonly error?: string;
  readonly message?: string;
}

/** The steps of one Python program. */
export interface PythonSteps {
  /** The value of a step; fails the test when it raised. */
  value(name: string): unknown;
  /** The text of a step's error; fails the test when it did not raise. */
  failure(name: string): string;
}

/**
 * Runs Python against a Flight server; each \`step(name, function)\` is told. \`url\`, \`pa\`, \`fl\` and ADBC's \`dbapi\`
 * are there.
 */
export async function runSteps(
  url: string,
  source: string,
  args: readonly string[] = [],
): Promise<PythonSteps> {
  const { stdout, stderr, code } = await runPython(`${prelude}\n${source}`, [url, ...args]);
  assert.equal(code, 0, stderr);
  const steps = new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, Step]),
  );
  const find = (name: string): Step => {
    const step = steps.get(name);
    assert.ok(step, `there was no step "${name}"`);
    return step;
  };
  return {
    value(name) {
      const { value, error, message } = find(name);
      assert.equal(error, undefined, `${name}: ${message}`);
      return value;
    },
    failure(name) {
      const { message, value } = find(name);
      assert.ok(message !== undefined, `${name} came to ${JSON.stringify(value)}`);
      return message;
    },
  };
}
