import type { ArrowportError } from '../errors.ts';
import type { Transport } from './ingest.ts';
import type { BackendKind, CommitReceipt } from './receipt.ts';

/** Who a load is, for metrics and logs. */
export interface LoadIdentity {
  readonly requestId: string;
  readonly stream: string;
  /** The configured name or pattern that matched; null for an unrouted stream. */
  readonly label: string | null;
  readonly table: string;
  readonly backend: BackendKind;
  readonly transport: Transport;
  /** Who sends the load; absent where nobody was asked. */
  readonly caller?: string;
}

/** Watches the ingest path; its methods never throw and never wait. */
export interface IngestObserver {
  streamOpened(load: LoadIdentity): void;
  /** One record batch was received: its rows, its bytes as they came, and its bytes after buffer decompression (an estimate where the backend does not decompress). */
  batchReceived(load: LoadIdentity, batch: { rows: number; bytesReceived: number }): void;
  /** Buffers of a batch were decoded to this many bytes. */
  batchDecoded(load: LoadIdentity, bytesDecoded: number): void;
  loadCommitted(load: LoadIdentity, receipt: CommitReceipt, timing: { commitSeconds: number }): void;
  /** The load ended with an error and nothing of its open transaction remains (outcome `unknown`: may remain). */
  loadFailed(load: LoadIdentity, error: ArrowportError): void;
  /** Always after streamOpened, whatever happened. */
  streamClosed(load: LoadIdentity): void;
  /** A request failed before there was a load (a bad name, overload, no such route). */
  requestFailed(
    /** `caller` is absent where the request failed before it was known who sends it. */
    request: { requestId: string; transport: Transport; stream: string | null; caller?: string },
    error: ArrowportError,
  ): void;
  admissionRejected(): void;
  inflightBytes(bytes: number): void;
}
