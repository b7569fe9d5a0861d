import type { AuditEvent, AuditTrail } from '../core/audit.ts';
import type { IngestObserver, LoadIdentity } from '../core/observer.ts';

const UNKNOWN_CALLER = 'anyone';

/** Takes down each commit of a load and each load that failed, and what was refused to a known caller at the door. */
export function createAuditObserver(trail: AuditTrail): IngestObserver {
  return {
    streamOpened() {},
    batchReceived() {},
    batchDecoded() {},
    loadCommitted(load, receipt) {
      trail.record({
        ...describeLoad(load),
        outcome: receipt.replayed ? 'replayed' : 'committed',
        rows: receipt.rows_processed,
        commitId: receipt.commit_id,
        ...(receipt.version === null ? {} : { version: receipt.version }),
      });
    },
    loadFailed(load, error) {
      trail.record({ ...describeLoad(load), outcome: error.outcome, code: error.code });
    },
    streamClosed() {},
    requestFailed({ requestId, transport, stream, caller }, error) {
      if (caller === undefined || error.code !== 'FORBIDDEN') return;
      const { code, outcome } = error;
      const named = stream === null ? {} : { stream };
      trail.record({ caller, action: 'request', outcome, code, requestId, transport, ...named });
    },
    admissionRejected() {},
    inflightBytes() {},
  };
}

function describeLoad(load: LoadIdentity): Omit<AuditEvent, 'outcome'> {
  const { caller = UNKNOWN_CALLER, requestId, transport, stream, table, backend } = load;
  return { caller, action: 'load', requestId, transport, stream, table, backend };
}
