import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { testPython } from '../support/python.ts';
import { repositoryRoot } from '../support/repository.ts';
import type { TestServer } from '../support/server.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import type { CrashLoad } from './lanes.ts';

/** How far a sending has come. */
export type SendingStep = 'asked' | 'opened' | 'half' | 'sent' | 'answer';

/** A receipt as the comparison of commits needs it. */
export interface SeenReceipt {
  readonly commit_id: string;
  readonly replayed: boolean;
  readonly rows_processed: number;
  readonly rows_total?: number;
}

/** The end of a sending: the receipts that came, and the error that ended it, if one did. */
export interface SendingAnswer {
  readonly receipts: readonly SeenReceipt[];
  readonly error: string | null;
}

/** One sending of a load. */
export interface Sending {
  readonly load: CrashLoad;
  step: SendingStep;
  /** When its last byte was sent, by `performance.now()`. */
  sentAt: number | null;
  /** When its answer came. */
  answeredAt: number | null;
  readonly answer: Promise<SendingAnswer>;
}

/** A process with PyArrow clients that send loads side by side. */
export interface Producers {
  send(load: CrashLoad, server: TestServer, onStep: (sending: Sending) => void): Sending;
}

/** Starts the process; it ends with `owner`. */
export function startProducers(owner: CleanupOwner): Producers {
  const script = join(repositoryRoot, 'test', 'crash', 'producers.py');
  const child = spawn(testPython ?? 'python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  owner.after(() => endProcess(child));
  const sendings = new Map<number, (event: ProducerEvent) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as ProducerEvent;
    sendings.get(event.attempt)?.(event);
    if (event.event === 'answer') sendings.delete(event.attempt);
  });
  let attempts = 0;
  return {
    send(load, server, onStep) {
      attempts += 1;
      const attempt = attempts;
      load.attempts += 1;
      const { promise: answer, resolve } = Promise.withResolvers<SendingAnswer>();
      const sending: Sending = { load, step: 'asked', sentAt: null, answeredAt: null, answer };
      sendings.set(attempt, (event) => {
        sending.step = event.event;
        if (event.event === 'sent') sending.sentAt = performance.now();
        if (event.event === 'answer') {
          sending.answeredAt = performance.now();
          resolve({ receipts: event.receipts ?? [], error: event.error ?? null });
        }
        onStep(sending);
      });
      child.stdin.write(`${JSON.stringify(describe(attempt, load, server))}\n`);
      return sending;
    },
  };
}

interface ProducerEvent extends Partial<SendingAnswer> {
  readonly attempt: number;
  readonly event: SendingStep;
}

function describe(attempt: number, { lane, load, key, table, ...load_ }: CrashLoad, server: TestServer) {
  const { rows, batches, pauseMs } = load_;
  const shared = { attempt, load, key, rows, batches, pause_ms: pauseMs, door: lane.door };
  if (lane.door === 'http') return { ...shared, url: server.url, path: `/ingest/${table}` };
  const descriptor = lane.fresh && lane.backend === 'delta' ? ['delta', table] : [table];
  return { ...shared, url: server.flightUrl, descriptor };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
