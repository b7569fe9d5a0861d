/** A type whose every level is read-only. */
export type Immutable<T> = T extends object ? { readonly [Key in keyof T]: Immutable<T[Key]> } : T;

/** Freezes a value made of plain objects and arrays on every level; returns it. */
export function freezeDeep<T>(value: T): Immutable<T> {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) freezeDeep(child);
    Object.freeze(value);
  }
  return value as Immutable<T>;
}
