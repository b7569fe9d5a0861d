import { resolve } from 'node:path';
import type { AuditTrail } from '../core/audit.ts';
import { ANYONE } from '../core/auth.ts';
import type { Migrator } from '../core/migration.ts';
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
  /** A migrator whose migrations are taken down. */
  auditMigrator(migrator: Migrator): Migrator;
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
    auditMigrator: (migrator) => ({
      async migrate(request, context) {
        trail.ensureWritable();
        const { caller = ANYONE, requestId } = context;
        const { table, backend } = request.target;
        const event = {
          caller: caller.name,
          action: 'migrate',
          requestId,
          transport: 'http',
          table,
          backend,
        } as const;
        try {
          const report = await migrator.migrate(request, context);
          trail.record({ ...event, outcome: 'committed', rows: report.rows });
          return report;
        } catch (thrown) {
          const { outcome, code } = toArrowportError(thrown);
          trail.record({ ...event, outcome, code });
          throw thrown;
        }
      },
    }),
    problems: () => log?.problems() ?? [],
    close: () => log?.close(),
  };
}
