import type { ErrorCode, Outcome } from '../errors.ts';
import type { Transport } from './ingest.ts';
import type { BackendKind } from './receipt.ts';

/** How something that was asked for ended. */
export type AuditOutcome = 'committed' | 'replayed' | Outcome;

/** One thing that was written, changed or refused. Holds names and figures only: no rows, no statements, no secrets. */
export interface AuditEvent {
  readonly caller: string;
  /** `load`, the name of a Delta verb, `reload`, `migrate`, `sql` with the first word of the statement, or `request` for what was refused at the door. */
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly requestId: string;
  /** Absent for statements, whose engine is not told. */
  readonly transport?: Transport;
  readonly stream?: string;
  readonly table?: string;
  readonly backend?: BackendKind;
  /** The error's; absent where there was none. */
  readonly code?: ErrorCode;
  readonly commitId?: string;
  readonly rows?: number;
  /** The Delta version. */
  readonly version?: number;
}

/** Takes down who wrote or changed what. */
export interface AuditTrail {
  /** Returns when the line is in the file, or is kept to be written as soon as that is possible. Never throws. */
  record(event: AuditEvent): void;
  /** Throws BACKEND_UNAVAILABLE while lines cannot be written: what cannot be taken down must not begin. */
  ensureWritable(): void;
}

/** The trail of a server without an audit log. */
export const noAudit: AuditTrail = { record() {}, ensureWritable() {} };
