/** How many unrouted streams get a label value of their own. */
export const MAX_UNROUTED_LABELS = 100;

/** The label value that the unrouted streams past the limit share. */
export const SHARED_LABEL = 'other';

/** Gives each stream its value of the metric label `stream`, bounded however many names clients invent. */
export interface StreamLabels {
  /** `label` is the configured name or pattern, null for an unrouted stream. */
  of(stream: string, label: string | null): string;
}

/** Makes the labels of one server: configured names as they are, unrouted streams by name up to {@link MAX_UNROUTED_LABELS}. */
export function createStreamLabels(limit: number = MAX_UNROUTED_LABELS): StreamLabels {
  const named = new Set<string>();
  return {
    of(stream, label) {
      if (label !== null) return label;
      if (named.has(stream)) return stream;
      if (named.size >= limit) return SHARED_LABEL;
      named.add(stream);
      return stream;
    },
  };
}
