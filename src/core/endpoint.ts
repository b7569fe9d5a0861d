/** A door: listens, hands requests to the ingest path, stops without cutting what is running. */
export interface Endpoint {
  start(): Promise<void>;
  /** Takes no new requests, lets running ones finish until `graceMs` is over, then ends them. */
  stop(graceMs: number): Promise<void>;
}

/** Where a server listens, as it was bound. */
export interface BoundAddress {
  readonly host: string;
  readonly port: number;
}
