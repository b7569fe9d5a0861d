/** Tells the time, in milliseconds since 1970. */
export type Clock = () => number;

/**
 * Makes a clock that never runs ahead of the time that has really passed since it was made. A system clock that jumps
 * forward must not make young things look old; one that is set back is followed. `wall` is the system's clock,
 * `elapsed` one that only ever ticks on.
 */
export function createSteadyClock(wall: Clock = Date.now, elapsed: Clock = () => performance.now()): Clock {
  const wallAtStart = wall();
  const elapsedAtStart = elapsed();
  return () => Math.min(wall(), wallAtStart + (elapsed() - elapsedAtStart));
}
