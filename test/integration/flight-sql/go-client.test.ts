import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import * as flight from '../../flight-scenarios/flight-scenarios.ts';
import { type Scenario, serveScenario } from '../../flight-scenarios/scenario-server.ts';
import * as sql from '../../flight-scenarios/sql-scenarios.ts';
import { patienceMs } from '../../support/patience.ts';
import { repositoryRoot } from '../../support/repository.ts';

const version = 'v18.8.0';
const command =
  'github.com/apache/arrow-go/v18/arrow/internal/flight_integration/cmd/arrow-flight-integration-client';
const folder = join(repositoryRoot, 'node_modules', '.cache', `flight-integration-client-${version}`);
const client = join(folder, 'arrow-flight-integration-client');

/** Builds Arrow's integration client once; returns why it is not there. */
function prepareClient(): string | false {
  if (existsSync(client)) return false;
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false' };
  const { error, status, stderr } = spawnSync('go', ['install', `${command}@${version}`], {
    env,
    timeout: 240_000,
  });
  if (error !== undefined) return 'Go was not found';
  return status === 0 ? false : `the client could not be built: ${String(stderr).trim().split('\n').at(-1)}`;
}

const scenarios: Readonly<Record<string, () => Scenario>> = {
  'auth:basic_proto': flight.basicProtoScenario,
  middleware: flight.middlewareScenario,
  ordered: flight.orderedScenario,
  'expiration_time:do_get': flight.expirationScenario,
  'expiration_time:list_actions': flight.expirationScenario,
  'expiration_time:cancel_flight_info': flight.expirationScenario,
  'expiration_time:renew_flight_endpoint': flight.expirationScenario,
  'location:reuse_connection': flight.reuseConnectionScenario,
  poll_flight_info: flight.pollScenario,
  app_metadata_flight_info_endpoint: flight.appMetadataScenario,
  flight_sql: sql.sqlScenario,
  'flight_sql:extension': sql.sqlScenario,
  'flight_sql:ingestion': sql.ingestionScenario,
  session_options: flight.sessionOptionsScenario,
};

const skip = prepareClient();
for (const [name, createScenario] of Object.entries(scenarios)) {
  test(`Arrow's Go client passes the scenario ${name}`, { skip }, async (t) => {
    const port = await serveScenario(t, createScenario());
    const args = ['-host', '127.0.0.1', '-port', String(port), '-scenario', name];
    await assert.doesNotReject(promisify(execFile)(client, args, { timeout: 2 * patienceMs }));
  });
}
