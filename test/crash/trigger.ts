import type { Lane } from './lanes.ts';
import type { Sending, SendingStep } from './producers.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Finds the instant of a round's kill. */
export interface Trigger {
  /** Set once the kill is under way: errors are to be expected, and no further load begins. */
  over: boolean;
  /** To be told of every step of every load. */
  step(sending: Sending): void;
  /** Resolves at the instant to kill; when `all` is over before, then. */
  fired(all: Promise<unknown>): Promise<void>;
}

/** How long the loads of each lane take from their last byte to their answer. */
export interface Pace {
  note(sending: Sending): void;
  /** Milliseconds, about. */
  of(lane: Lane): number;
}

/** A round whose trigger never comes is over after this time. */
const roundPatienceMs = 4000;
const firstGuessMs = 40;

/** Makes a pace that knows nothing yet. */
export function createPace(): Pace {
  const known = new Map<Lane, number>();
  const of = (lane: Lane) => known.get(lane) ?? firstGuessMs;
  return {
    of,
    note({ load, sentAt, answeredAt }) {
      if (sentAt !== null && answeredAt !== null)
        known.set(load.lane, 0.7 * of(load.lane) + 0.3 * (answeredAt - sentAt));
    },
  };
}

/**
 * Draws the instant of the kill: behind some step of some load, or at any time. Behind a load's last byte it falls into
 * the time that such a load takes to commit, or shortly after it.
 */
export function createTrigger(random: SeededRandom, pace: Pace): Trigger {
  const awaited = random.pick<SendingStep | 'time'>(['half', 'sent', 'sent', 'sent', 'answer', 'time']);
  const share = random.unit();
  let left = random.int(1, 5);
  const { promise, resolve } = Promise.withResolvers<void>();
  const waitMs = (sending: Sending) => {
    if (awaited === 'sent') return 1.3 * share * pace.of(sending.load.lane);
    return (awaited === 'half' ? 20 : 3) * share;
  };
  if (awaited === 'time') setTimeout(resolve, 600 * share);
  return {
    over: false,
    step(sending) {
      if (sending.step === 'answer' && !this.over) pace.note(sending);
      if (sending.step !== awaited) return;
      left -= 1;
      if (left === 0) setTimeout(resolve, waitMs(sending));
    },
    async fired(all) {
      const timer = setTimeout(resolve, roundPatienceMs);
      await Promise.race([promise, all.catch(() => undefined)]);
      clearTimeout(timer);
    },
  };
}
