import { resolve } from 'node:path';
import type { AuditTrail } from '../core/audit.ts';
import type { IngestObserver } from '../core/observer.ts';
import type { OperationCall } from '../core/operations.ts';
import { toArrowportError } from '../errors.ts';
import { type AuditLog, openAuditLog } from '../telemetry/audit-log.ts';
import { createAuditObserver } from '../telemetry/audit-observer.ts';
import type { Logger } from '../telemetry/logger.ts';

/** The audit side of a server. Before `open`, and without a file, it takes nothing down. */
export interface AuditSide {
  readonly trail: AuditTrail;
  readonly observer: IngestObserver;
  /** Throws CONFIG_INVALID when the file cannot be opened. */
  open(): void;
  /** Runs an operation and takes it down under this name, however it ends. */
  record<T>(action: string, by: OperationCall, run: () => Promise<T>): Promise<T>;
  problems(): readonly string[];
  close(): void;
}

/** Makes the audit side; `file` is the configured one, relative to `cwd`. */
export function createAuditSide(file: string | null, cwd: string, logger: Logger): AuditSide {
  let log: AuditLog | null = null;
  const trail: AuditTrail = {
    record: (event) => log?.record(event),
    ensureWritable: () => log?.ensureWritable(),
  };
  return {
    trail,
    observer: createAuditObserver(trail),
    open() {
      if (file !== null) log = openAuditLog({ path: resolve(cwd, file), logger });
    },
    async record(action, { caller, requestId, transport }, run) {
      const event = { caller: caller.name, action, requestId, transport };
      try {
        const result = await run();
        trail.record({ ...event, outcome: 'committed' });
        return result;
      } catch (thrown) {
        const { outcome, code } = toArrowportError(thrown);
        trail.record({ ...event, outcome, code });
        throw thrown;
      }
    },
    problems: () => log?.problems() ?? [],
    close: () => log?.close(),
  };
}
