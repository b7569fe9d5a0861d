type Optional<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & Optional<{
  [K in keyof T as undefined extends T[K] ? K : never]: T[K];
}>;

/** The same values without those that are `undefined`: what is optional is absent then. */
export function defined<T extends object>(values: T): Defined<T> {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Defined<T>;
}
