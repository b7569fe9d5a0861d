import { z } from 'zod';
import { authOptions } from '../auth/config.ts';
import { deltaOptions } from '../backends/delta/config.ts';
import { duckdbOptions } from '../backends/duckdb/config.ts';
import { queryOptions } from '../backends/duckdb/query/config.ts';
import { flightOptions } from '../endpoints/flight/config.ts';
import { httpOptions } from '../endpoints/http/config.ts';
import { ingestOptions } from '../ingest/config.ts';
import { routerOptions } from '../router/config.ts';
import { telemetryOptions } from '../telemetry/config.ts';
import type { Immutable } from './immutable.ts';

/** The whole document: every component's options under their snake_case keys. */
export const configSchema = z.strictObject({
  host: httpOptions.host,
  port: httpOptions.port,
  flight_port: flightOptions.flight_port,
  flight_ticket_seconds: flightOptions.flight_ticket_seconds,
  flight_endpoint_bytes: flightOptions.flight_endpoint_bytes,
  db_path: duckdbOptions.db_path,
  storage_backend: routerOptions.storage_backend,
  delta_config: deltaOptions.delta_config,
  compression: routerOptions.compression,
  streams: routerOptions.streams,
  duckdb_extensions: duckdbOptions.duckdb_extensions,
  duckdb: duckdbOptions.duckdb,
  query: queryOptions.query,
  limits: ingestOptions.limits,
  auth: authOptions.auth,
  tls: httpOptions.tls,
  idempotency: ingestOptions.idempotency,
  shutdown_grace_seconds: httpOptions.shutdown_grace_seconds,
  log: telemetryOptions.log,
  audit: telemetryOptions.audit,
});

/** The checked configuration with its snake_case keys, every default filled in. */
export type Config = Immutable<z.output<typeof configSchema>>;
