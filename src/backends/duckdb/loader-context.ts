import type { IpcLimits } from '../../core/ipc-message.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { KeyLedger } from './key-ledger.ts';
import type { LoadActivity } from './load-activity.ts';
import type { MemoryGovernor } from './memory-governor.ts';
import type { SessionPool } from './session-pool.ts';
import type { TableCatalog } from './table-catalog.ts';

/** What a load needs from its backend. */
export interface LoaderContext {
  readonly sessions: SessionPool;
  readonly catalog: TableCatalog;
  readonly ledger: KeyLedger;
  /** Null for a database that is all in memory. */
  readonly memory: MemoryGovernor | null;
  readonly checkpoints: Checkpoints | null;
  readonly activity: LoadActivity;
  readonly limits: IpcLimits;
  /** Told once, when the load is over and its connection closed. */
  closed(failure: unknown): void;
}
