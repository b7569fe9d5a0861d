/** Random numbers that follow from a seed, so that a run can be had again. */
export interface SeededRandom {
  /** From 0 up to, not including, 1. */
  unit(): number;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** Throws when there is nothing to choose from. */
  pick<T>(choices: readonly T[]): T;
}

/** Makes random numbers of a 32-bit seed (mulberry32). */
export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (low: number, high: number) => low + Math.floor(unit() * (high - low + 1));
  return {
    unit,
    int,
    pick(choices) {
      const chosen = choices[int(0, choices.length - 1)];
      if (chosen === undefined) throw new Error('There is nothing to choose from.');
      return chosen;
    },
  };
}
