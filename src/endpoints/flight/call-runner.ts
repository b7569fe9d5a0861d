import type { Metadata, StatusObject } from '@grpc/grpc-js';
import type { IngestObserver } from '../../core/observer.ts';
import { ArrowportError, toArrowportError } from '../../errors.ts';
import { type CallScope, describeCall, openCallScope, type ServerCall } from './call-scope.ts';
import { toStatus, UnimplementedError } from './status.ts';

/** How a kind of call is answered: with its trailers, or with an error status. */
export interface CallAnswer {
  succeed(trailers: Metadata | undefined): void;
  fail(status: StatusObject): void;
}

/** What a call may do that others may not. */
export interface RunOptions {
  /** It ends what was begun before (a statement, a transaction, a session), and so is let in while the server drains. */
  readonly endsWhatBegan?: boolean;
}

/** Runs calls, knows which are running, and ends them. */
export interface CallRunner {
  /** Runs one call and answers it; never rejects. */
  run(
    name: string,
    call: ServerCall,
    answer: CallAnswer,
    body: (scope: CallScope) => Promise<Metadata | undefined>,
    options?: RunOptions,
  ): void;
  /** From now on every new call is answered SHUTTING_DOWN, but those that end what was begun before. */
  setDraining(): void;
  /**
   * Resolves when no call is running, or after the time. Clients whose calls were running are given `lastWordMs` for the
   * ones that end what these belong to: they close a statement, or commit, once they have read the last row.
   */
  idle(withinMs: number, lastWordMs?: number): Promise<void>;
  /** Says that no client is connected, so that none has a last word. */
  leftAlone(): void;
  /** Ends every running call with an error. */
  abortAll(error: ArrowportError): void;
}

/** When a client may try again after SHUTTING_DOWN: another server, or this one restarted. */
const RETRY_AFTER_MS = 1000;

/** Calls that tell the observer of their errors themselves, with their stream. */
const OBSERVED_CALLS: ReadonlySet<string> = new Set(['DoPut']);

/** How long a client may take to read its answer before the stream is reset. */
const UNREAD_ANSWER_MS = 30_000;

/** The error of calls that come to, or are left on, a server that stops. */
export function shuttingDownError(): ArrowportError {
  return new ArrowportError(
    'SHUTTING_DOWN',
    'The server is shutting down: try again, with the next server or when this one is back.',
    {
      details: { retryAfterMs: RETRY_AFTER_MS },
    },
  );
}

/** Makes the runner of one endpoint. */
export function createCallRunner(observer: Pick<IngestObserver, 'requestFailed'>): CallRunner {
  const running = new Set<CallScope>();
  let draining = false;
  let onIdle: (() => void) | null = null;
  let onAlone: (() => void) | null = null;

  const runCall = async (
    name: string,
    scope: CallScope,
    answer: CallAnswer,
    body: (scope: CallScope) => Promise<Metadata | undefined>,
    { endsWhatBegan = false }: RunOptions,
  ) => {
    try {
      if (draining && !endsWhatBegan) throw shuttingDownError();
      answer.succeed(await body(scope));
    } catch (thrown) {
      // Streams of an ended call fail with errors of their own; what ended the call is the answer.
      const error = isUnexpected(thrown) && scope.signal.aborted ? scope.signal.reason : thrown;
      if (!(error instanceof UnimplementedError) && !OBSERVED_CALLS.has(name)) {
        observer.requestFailed(describeCall(scope), toArrowportError(error));
      }
      answer.fail(toStatus(error, scope.requestId));
    }
    scope.transport.closeWithin(UNREAD_ANSWER_MS);
  };

  return {
    run(name, call, answer, body, options = {}) {
      const scope = openCallScope(call);
      running.add(scope);
      void runCall(name, scope, answer, body, options).finally(() => {
        running.delete(scope);
        if (running.size === 0) onIdle?.();
      });
    },
    setDraining() {
      draining = true;
    },
    async idle(withinMs, lastWordMs = 0) {
      if (running.size === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, withinMs);
      let lastWord: NodeJS.Timeout | undefined;
      onIdle = () => {
        clearTimeout(lastWord);
        lastWord = setTimeout(() => {
          if (running.size === 0) resolve();
        }, lastWordMs);
      };
      onAlone = () => {
        if (running.size === 0) resolve();
      };
      await promise;
      onIdle = null;
      onAlone = null;
      clearTimeout(timer);
      clearTimeout(lastWord);
    },
    leftAlone() {
      onAlone?.();
    },
    abortAll(error) {
      for (const scope of running) scope.abort(error);
    },
  };
}

function isUnexpected(thrown: unknown): boolean {
  return !(thrown instanceof UnimplementedError) && toArrowportError(thrown).code === 'INTERNAL';
}
