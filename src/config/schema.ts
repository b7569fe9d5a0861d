import { z } from 'zod';
import { deltaOptions } from '../backends/delta/config.ts';
import { duckdbOptions } from '../backends/duckdb/config.ts';
import { isStreamName } from '../core/stream-name.ts';
import { flightOptions } from '../endpoints/flight/config.ts';
import { httpOptions } from '../endpoints/http/config.ts';
import { ingestOptions } from '../ingest/config.ts';
import { routerOptions } from '../router/config.ts';
import { telemetryOptions } from '../telemetry/config.ts';

/** The whole document: every component's options under their snake_case keys. */
export const configSchema = z
  .strictObject({
    host: httpOptions.host,
    port: httpOptions.port,
    flight_port: flightOptions.flight_port,
    db_path: duckdbOptions.db_path,
    storage_backend: routerOptions.storage_backend,
    delta_config: deltaOptions.delta_config,
    compression: routerOptions.compression,
    streams: routerOptions.streams,
    duckdb_extensions: duckdbOptions.duckdb_extensions,
    duckdb: duckdbOptions.duckdb,
    limits: ingestOptions.limits,
    auth: httpOptions.auth,
    tls: httpOptions.tls,
    idempotency: ingestOptions.idempotency,
    shutdown_grace_seconds: httpOptions.shutdown_grace_seconds,
    log: telemetryOptions.log,
  })
  .superRefine(({ storage_backend, streams }, context) => {
    for (const [name, route] of Object.entries(streams)) {
      const backend = route.storage_backend ?? storage_backend;
      if (backend !== 'delta' || route.target_table === null || isStreamName(route.target_table)) continue;
      context.addIssue({
        code: 'custom',
        path: ['streams', name, 'target_table'],
        message:
          'expected a Delta table name: 1 to 128 of A-Z a-z 0-9 _ - ., the first a letter, a digit or _',
      });
    }
  });

type Immutable<T> = T extends object ? { readonly [Key in keyof T]: Immutable<T[Key]> } : T;

/** The checked configuration with its snake_case keys, every default filled in. */
export type Config = Immutable<z.output<typeof configSchema>>;
