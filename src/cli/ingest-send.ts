import type { CommitReceipt } from '../core/receipt.ts';
import type { OutgoingMessage, OutgoingStream } from './ingest-encode.ts';
import type { ServerConnection } from './server-connection.ts';

/** One load to send. */
export interface SendRequest {
  readonly connection: ServerConnection;
  readonly stream: string;
  /** The path to send to over HTTP; left out: the stream's. */
  readonly path?: string;
  readonly source: OutgoingStream;
  readonly idempotencyKey: string | null;
  /** Called when a message was handed to the socket, with its rows and bytes. */
  onSent(rows: number, bytes: number): void;
}

/**
 * Sends one load and resolves with the receipt of its (last) commit.
 * Throws a {@link SendFailure} when the server or the way to it failed, and what the source throws.
 */
export type SendLoad = (request: SendRequest) => Promise<CommitReceipt>;

/** A load that got no receipt: `failure` ends the command unless the load is sent again. */
export class SendFailure extends Error {
  readonly failure: Error;
  /** What became of the load; `unsent` when no server was there. */
  readonly outcome: 'rejected' | 'retryable' | 'unknown' | 'unsent';
  /** When the server asks to be tried again. */
  readonly retryAfterMs: number | null;

  constructor(failure: Error, outcome: SendFailure['outcome'], retryAfterMs: number | null = null) {
    super(failure.message, { cause: failure });
    this.name = 'SendFailure';
    this.failure = failure;
    this.outcome = outcome;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Bytes of a message as the receipt counts them. */
export function messageBytes(message: OutgoingMessage): number {
  return message.metadata.length + message.body.length;
}

/** Reads the outcome of a problem document; without one nothing more can be done with the load as it is. */
export function readOutcome(outcome: unknown): 'rejected' | 'retryable' | 'unknown' {
  return outcome === 'retryable' || outcome === 'unknown' ? outcome : 'rejected';
}

/** Whether a value is a receipt. */
export function isReceipt(value: unknown): value is CommitReceipt {
  return typeof value === 'object' && value !== null && 'commit_id' in value && 'rows_processed' in value;
}
