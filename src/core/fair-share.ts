/** Of what all callers share, the part that is kept for those who have less than half of it. */
const KEPT_SHARE = 0.25;
const LARGE_SHARE = 0.5;

/** Whether a caller who holds `own` of the `held` places has to leave the last of `all` to others. */
export function mustLeaveRoom(own: number, held: number, all: number): boolean {
  return held >= all * (1 - KEPT_SHARE) && own >= all * LARGE_SHARE;
}
