import { packageVersion } from '../config/package-version.ts';
import type { Config } from '../config/schema.ts';
import type { Ingestor } from '../core/ingest.ts';
import type { IngestObserver } from '../core/observer.ts';
import type { QueryEngine } from '../core/query.ts';
import type { FlightProducer } from '../endpoints/flight/producer.ts';
import { createArrowportSql } from '../endpoints/flight-sql/arrowport-sql.ts';

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
    facts: () => ({ version: packageVersion(), statementTimeoutMs: config().query.timeout_ms }),
    ticketLifetimeMs: () => config().flight_ticket_seconds * 1000,
    endpointBytes: () => config().flight_endpoint_bytes,
  });
  return producer;
}
