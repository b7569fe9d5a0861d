import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { CommitReceipt } from '../../core/receipt.ts';
import type { CallScope } from './call-scope.ts';
import type { PutResultMessage } from './messages.ts';

/** How long a client may leave a receipt unread before the load goes on without sending it further ones. */
const UNREAD_RECEIPT_MS = 1000;

/** Sends the receipts of one DoPut. */
export interface PutResults {
  /** Sends a receipt after a partial commit; resolves when it is on its way, at the latest after a second. Never throws. */
  sendPartial(receipt: CommitReceipt): Promise<void>;
  /** Queues the last receipt; the caller ends the call. */
  sendLast(receipt: CommitReceipt): void;
}

/**
 * Writes receipts as `PutResult.app_metadata` in JSON. A client that does not read them is waited for once, for a
 * second; partial receipts after that are dropped, since the last one has the totals.
 */
export function createPutResults(
  call: Pick<ServerDuplexStream<unknown, PutResultMessage>, 'write'>,
  scope: CallScope,
): PutResults {
  let stalled = false;
  return {
    async sendPartial(receipt) {
      if (stalled || scope.signal.aborted) return;
      stalled = !(await writeWithin(call, toPutResult(receipt), scope.signal));
    },
    sendLast(receipt) {
      if (!scope.signal.aborted) call.write(toPutResult(receipt));
    },
  };
}

function toPutResult(receipt: CommitReceipt): PutResultMessage {
  return { appMetadata: Buffer.from(JSON.stringify(receipt)) };
}

function writeWithin(
  call: Pick<ServerDuplexStream<unknown, PutResultMessage>, 'write'>,
  message: PutResultMessage,
  signal: AbortSignal,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const giveUp = () => resolve(false);
  const timer = setTimeout(giveUp, UNREAD_RECEIPT_MS);
  signal.addEventListener('abort', giveUp, { once: true });
  call.write(message, () => resolve(true));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  });
}
