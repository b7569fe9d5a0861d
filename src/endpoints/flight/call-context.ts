import type { Caller } from '../../core/auth.ts';

/** One call as its handler sees it. */
export interface FlightCall {
  readonly requestId: string;
  readonly caller: Caller;
  /** Fires when the call is over before its answer; `reason` is the ArrowportError to answer. */
  readonly signal: AbortSignal;
  /** The connection that the call came on: one object for as long as it is open. Undefined when it is gone. */
  readonly connection: FlightConnection | undefined;
  /** The texts of a request header; those whose names end in `-bin` come as they are. */
  readHeader(name: string): readonly (string | Buffer)[];
  /** Adds a header to the answer; must come before its first message. */
  addHeader(name: string, value: string): void;
}

/** A client's connection, as far as handlers may keep things by it. */
export interface FlightConnection {
  readonly closed: boolean;
  once(event: 'close', listener: () => void): unknown;
}
