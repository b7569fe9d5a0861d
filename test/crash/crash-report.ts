import type { CrashLoad } from './lanes.ts';
import type { SendingStep } from './producers.ts';

/** The figures of a run of crashes. */
export interface CrashReport {
  readonly seed: number;
  rounds: number;
  serverKills: number;
  workerKills: number;
  /** Kills of a server that was just starting, beside those of the rounds. */
  startKills: number;
  loads: number;
  /** Loads that were under way at a kill: before their last byte was sent, or behind it. */
  killedWhileReceived: number;
  killedWhileCommitted: number;
  /** Loads that were acknowledged within 20 ms before a kill. */
  killedRightAfter: number;
  /** Loads whose commit had happened although nobody was told: their resend was answered as replayed. */
  landedUnacknowledged: number;
  resendsAnswered: number;
  rowsCompared: number;
  lost: number;
  doubled: number;
  partial: number;
  wrong: number;
  unknown: number;
  /** Everything that contradicts the promise, with the seed and the round. */
  readonly complaints: string[];
}

const rightAfterMs = 20;

/** Makes the report of a run that has not begun. */
export function createReport(seed: number): CrashReport {
  return {
    seed,
    rounds: 0,
    serverKills: 0,
    workerKills: 0,
    startKills: 0,
    loads: 0,
    killedWhileReceived: 0,
    killedWhileCommitted: 0,
    killedRightAfter: 0,
    landedUnacknowledged: 0,
    resendsAnswered: 0,
    rowsCompared: 0,
    lost: 0,
    doubled: 0,
    partial: 0,
    wrong: 0,
    unknown: 0,
    complaints: [],
  };
}

/** Counts what a load was doing when the kill came. */
export function noteInstant(
  report: CrashReport,
  {
    step,
    answeredAt,
    load,
  }: { readonly step: SendingStep; readonly answeredAt: number | null; readonly load: CrashLoad },
  killedAt: number,
  onlyWorker: boolean,
): void {
  if (onlyWorker && load.lane.backend !== 'delta') return;
  if (step === 'sent') report.killedWhileCommitted += 1;
  else if (step !== 'answer') report.killedWhileReceived += 1;
  else if (answeredAt !== null && killedAt - answeredAt < rightAfterMs) report.killedRightAfter += 1;
}
