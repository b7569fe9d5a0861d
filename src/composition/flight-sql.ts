import { packageVersion } from '../config/package-version.ts';
import type { Config } from '../config/schema.ts';
import type { Ingestor } from '../core/ingest.ts';
import type { IngestObserver } from '../core/observer.ts';
import type { QueryEngine } from '../core/query.ts';
import type { FlightProducer } from '../endpoints/flight/producer.ts';
import { createArrowportSql } from '../endpoints/flight-sql/arrowport-sql.ts';

/** What the parameters of queries may take beside the loads, as a part of the loads' budget. */
const PARAMETER_SHARE = 0.5;

/** What the reading side of the Flight door is made of. */
export interface FlightSqlSideOptions {
  /** Its sessions end with it. */
  readonly engine: QueryEngine;
  readonly ingestor: Ingestor;
  readonly observer: IngestObserver;
  config(): Config;
}

/** Makes Flight SQL over the query engine. */
export function createFlightSqlSide({
  engine,
  ingestor,
  observer,
  config,
}: FlightSqlSideOptions): FlightProducer {
  const { producer } = createArrowportSql({
    engine,
    ingestor,
    observer,
    facts: () => ({ version: packageVersion() }),
    ticketLifetimeMs: () => config().flight_ticket_seconds * 1000,
    parameterBytes: () => Math.floor(config().limits.max_inflight_bytes * PARAMETER_SHARE),
    endpointBytes: () => config().flight_endpoint_bytes,
  });
  return producer;
}
