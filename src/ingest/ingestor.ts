import { type AuditTrail, noAudit } from '../core/audit.ts';
import type { Backend } from '../core/backend.ts';
import type { Ingestor, IngestRequest } from '../core/ingest.ts';
import type { IpcLimits } from '../core/ipc-message.ts';
import type { IngestObserver, LoadIdentity } from '../core/observer.ts';
import type { BackendKind, CommitReceipt } from '../core/receipt.ts';
import { describeTable } from '../core/route.ts';
import { readStreamName } from '../core/stream-name.ts';
import { type ArrowportError, toArrowportError } from '../errors.ts';
import type { Router } from '../router/router.ts';
import type { Admission, Place } from './admission.ts';
import { type LoadPlan, planLoad } from './load-plan.ts';
import { runLoad } from './load-session.ts';

/** What the ingest path is made of. */
export interface IngestorOptions {
  readonly router: Pick<Router, 'current'>;
  readonly admission: Pick<Admission, 'admit'>;
  readonly observer: IngestObserver;
  /** Asked before each load; its lines come by way of the observer. */
  readonly audit?: Pick<AuditTrail, 'ensureWritable'>;
  /** Opens the backend when it is not open yet. Throws BACKEND_UNAVAILABLE, OPTION_INVALID. */
  openBackend(kind: BackendKind): Promise<Backend>;
  /** Asked for each load, so that a reload counts from the next one on. */
  limits(): IpcLimits;
}

/** Makes the one path every load takes. */
export function createIngestor(options: IngestorOptions): Ingestor {
  const { router, admission, observer, audit = noAudit } = options;

  const admit = async (request: IngestRequest): Promise<{ place: Place; plan: LoadPlan }> => {
    let place: Place | null = null;
    try {
      readStreamName(request.stream);
      audit.ensureWritable();
      place = await admission.admit(request.signal, request.end);
      return { place, plan: planLoad(request, router.current()) };
    } catch (thrown) {
      place?.leave();
      const error = toArrowportError(thrown);
      const { requestId, transport, stream } = request;
      const caller = request.caller === undefined ? {} : { caller: request.caller.name };
      observer.requestFailed({ requestId, transport, stream, ...caller }, error);
      throw error;
    }
  };

  const run = async (request: IngestRequest, place: Place, plan: LoadPlan): Promise<CommitReceipt> => {
    const identity = identify(request, plan);
    observer.streamOpened(identity);
    try {
      return await runLoad({
        request,
        plan,
        identity,
        place,
        observer,
        limits: options.limits(),
        openBackend: () => options.openBackend(plan.route.backend),
      });
    } catch (thrown) {
      const error: ArrowportError = toArrowportError(thrown);
      observer.loadFailed(identity, error);
      throw error;
    } finally {
      observer.streamClosed(identity);
    }
  };

  return {
    async ingest(request) {
      const { place, plan } = await admit(request);
      try {
        return await run(request, place, plan);
      } finally {
        place.leave();
      }
    },
  };
}

function identify(
  { requestId, stream, transport, caller }: IngestRequest,
  { route }: LoadPlan,
): LoadIdentity {
  const table = describeTable(route.table);
  return Object.freeze({
    requestId,
    stream,
    label: route.label,
    table,
    backend: route.backend,
    transport,
    ...(caller === undefined ? {} : { caller: caller.name }),
  });
}
