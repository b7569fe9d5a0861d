/** A place in the document: keys from the root, list positions as numbers in text. */
export type ConfigPath = readonly string[];

/** The path as people write it: `streams.sensors.chunk_size`, with quotes around keys that hold a dot or the like. */
export function describePath(path: ConfigPath): string {
  return path.map((key) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key))).join('.');
}

/** Whether a path is another one or lies below it. */
export function isWithin(path: ConfigPath, ancestor: ConfigPath): boolean {
  return ancestor.every((key, index) => path[index] === key);
}
