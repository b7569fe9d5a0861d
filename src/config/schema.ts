import { z } from 'zod';
import { deltaOptions } from '../backends/delta/config.ts';
import { duckdbOptions } from '../backends/duckdb/config.ts';
import { flightOptions } from '../endpoints/flight/config.ts';
import { httpOptions } from '../endpoints/http/config.ts';
import { ingestOptions } from '../ingest/config.ts';
import { findTargetFault, routerOptions } from '../router/config.ts';
import { telemetryOptions } from '../telemetry/config.ts';
import type { Immutable } from './immutable.ts';

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
  .superRefine(checkTargets, { when: () => true });

/** Runs also when other keys are at fault, so that all problems are told at once; hence trusts no type. */
function checkTargets(
  document: { readonly storage_backend?: unknown; readonly streams?: unknown } | null,
  context: { addIssue(issue: { code: 'custom'; path: string[]; message: string }): void },
): void {
  const { storage_backend, streams } = document ?? {};
  if (typeof streams !== 'object' || streams === null) return;
  for (const [name, route] of Object.entries(streams)) {
    const { target_table: target, storage_backend: own } = Object(route) as Record<string, unknown>;
    if (typeof target !== 'string') continue;
    const message = findTargetFault(target, (own ?? storage_backend) === 'delta' ? 'delta' : 'duckdb');
    if (message !== undefined)
      context.addIssue({ code: 'custom', path: ['streams', name, 'target_table'], message });
  }
}

/** The checked configuration with its snake_case keys, every default filled in. */
export type Config = Immutable<z.output<typeof configSchema>>;
