import type { IpcMessage } from '../../core/ipc-message.ts';
import type { WireObject } from './wire-values.ts';

/** How a load's rows get into the table's files, and those into its log. */
export interface LoadWay {
  /** Takes a message and, from now on, its memory. Throws codes of the ingest path. */
  write(message: IpcMessage): Promise<void>;
  /** Hands on what is gathered. Returns at once, never throws. */
  flush(): void;
  /** Commits; `meta` is kept in the commit. Throws codes of the ingest path, COMMIT_UNKNOWN among them. */
  finish(meta: WireObject): Promise<WireObject>;
  /** Leaves nothing behind. Never throws. */
  abort(): Promise<void>;
}
