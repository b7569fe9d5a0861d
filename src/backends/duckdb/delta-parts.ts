import type { DeltaDataFile } from '../../core/delta-source.ts';

/** Parts of one table that clients are told of at most. */
const mostParts = 16;

/** How many parts of about `partBytes` files make; 1 where they are too few for two. */
export function countParts(files: readonly DeltaDataFile[], partBytes: number): number {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return Math.max(1, Math.min(mostParts, files.length, Math.floor(bytes / partBytes)));
}

/**
 * Shares files out to at most `count` parts of about the same bytes, in their order. The same files and count make the
 * same parts; a part without files is left out.
 */
export function shareOutFiles(
  files: readonly DeltaDataFile[],
  count: number,
): readonly (readonly DeltaDataFile[])[] {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const parts: DeltaDataFile[][] = Array.from({ length: count }, () => []);
  let before = 0;
  for (const file of files) {
    // By its middle, so that a large file goes where most of it belongs.
    const place = total === 0 ? 0 : (before + file.bytes / 2) / total;
    parts[Math.min(count - 1, Math.floor(place * count))]?.push(file);
    before += file.bytes;
  }
  return parts.filter((part) => part.length > 0);
}
