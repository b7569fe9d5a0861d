/** How long some work may take, who may break the wait off, and what a wait that took too long throws. */
export interface WaitLimits {
  readonly withinMs: number;
  readonly signal: AbortSignal | undefined;
  late(): Error;
}

/** Resolves when the work has settled well. Throws what the work does, `late()`, and the reason of `signal`; the work goes on then. */
export async function settlesWithin(
  work: Promise<unknown>,
  { withinMs, signal, late }: WaitLimits,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal?.reason);
  const timer = setTimeout(() => reject(late()), Math.max(0, withinMs));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
