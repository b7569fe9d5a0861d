import { ANYONE } from '../core/auth.ts';
import type { IngestObserver, LoadIdentity } from '../core/observer.ts';
import type { ArrowportError, ErrorCode } from '../errors.ts';
import type { Logger } from './logger.ts';

/** Errors that are the server's own trouble: logged at error level, with the cause and its stack. */
const SERVER_FAULTS: ReadonlySet<ErrorCode> = new Set(['INTERNAL', 'COMMIT_UNKNOWN', 'BACKEND_UNAVAILABLE']);

/** Errors that are everyday life of a busy server: logged at info level. */
const EVERYDAY: ReadonlySet<ErrorCode> = new Set(['CANCELLED', 'SHUTTING_DOWN']);

/** Of requests that are no loads, asking for what is not there is everyday life too: that is how clients find out. */
const EVERYDAY_ASKING: ReadonlySet<ErrorCode> = new Set([...EVERYDAY, 'TABLE_NOT_FOUND']);

/** Writes one line for each load (each commit of a split one) and one for each failure. */
export function createLogObserver(logger: Logger): IngestObserver {
  return {
    streamOpened(load) {
      logger.debug(describeLoad(load), 'stream opened');
    },
    batchReceived() {},
    batchDecoded() {},
    loadCommitted(load, receipt, timing) {
      const seconds = receipt.duration_ms / 1000;
      logger.info(
        {
          ...describeLoad(load),
          rows: receipt.rows_processed,
          batches: receipt.batches,
          bytes: receipt.bytes,
          duration_ms: receipt.duration_ms,
          commit_ms: Math.round(timing.commitSeconds * 1e6) / 1e3,
          rows_per_second: seconds > 0 ? Math.round(receipt.rows_processed / seconds) : null,
          commit_id: receipt.commit_id,
          ...(receipt.version === null ? {} : { version: receipt.version }),
        },
        receipt.replayed ? 'load replayed' : 'load committed',
      );
    },
    loadFailed(load, error) {
      if (error.code === 'SCHEMA_MISMATCH') {
        logger.warn({ ...describeLoad(load), ...describeError(error) }, 'load skipped: schema mismatch');
      } else {
        logFailure(logger, describeLoad(load), error, 'load failed');
      }
    },
    streamClosed() {},
    requestFailed(request, error) {
      const { requestId: request_id, transport, stream, caller } = request;
      const who = { request_id, transport, stream, ...nameCaller(caller) };
      logFailure(logger, who, error, 'request failed', EVERYDAY_ASKING);
    },
    admissionRejected() {},
    inflightBytes() {},
  };
}

function describeLoad(load: LoadIdentity): Record<string, unknown> {
  return {
    request_id: load.requestId,
    stream: load.stream,
    table: load.table,
    storage_backend: load.backend,
    transport: load.transport,
    ...nameCaller(load.caller),
  };
}

/** Where nobody is asked, everyone is the same. */
function nameCaller(caller: string | undefined): { caller?: string } {
  return caller === undefined || caller === ANYONE.name ? {} : { caller };
}

function describeError(error: ArrowportError): Record<string, unknown> {
  return {
    code: error.code,
    outcome: error.outcome,
    detail: error.message,
    ...(error.details.column === undefined ? {} : { column: error.details.column }),
    ...(error.details.limit === undefined ? {} : { limit: error.details.limit }),
  };
}

function logFailure(
  logger: Logger,
  who: Record<string, unknown>,
  error: ArrowportError,
  message: string,
  everyday = EVERYDAY,
): void {
  const fields = { ...who, ...describeError(error) };
  if (SERVER_FAULTS.has(error.code)) {
    logger.error({ ...fields, err: error.cause instanceof Error ? error.cause : error }, message);
  } else if (everyday.has(error.code)) {
    logger.info(fields, message);
  } else {
    logger.warn(fields, message);
  }
}
