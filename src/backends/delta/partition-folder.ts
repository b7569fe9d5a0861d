import type { PartitionValues } from '../../core/parquet-writer.ts';
import { ArrowportError } from '../../errors.ts';

/** Bytes that file systems give to one name. */
const mostBytes = 255;
const nullName = '__HIVE_DEFAULT_PARTITION__';

/**
 * The folder of a partition's files, as delta-rs and Hive name it: some readers take the values from there. Throws
 * TYPE_UNSUPPORTED naming the column where a value is too long for a folder's name.
 */
export function partitionFolder(names: readonly string[], values: PartitionValues): string {
  return names
    .map((name, index) => {
      const value = values[index] ?? null;
      const folder = `${name.replaceAll('/', '%2F')}=${value === null ? nullName : escapeText(value)}`;
      if (Buffer.byteLength(folder) <= mostBytes) return folder;
      throw new ArrowportError(
        'TYPE_UNSUPPORTED',
        `A value of column ${JSON.stringify(name)} is too long to name the folder of its partition.`,
        { details: { column: name } },
      );
    })
    .join('/');
}

/** What is more than a letter, a digit or one of a few marks stands as the bytes of its UTF-8. */
function escapeText(text: string): string {
  return text.replace(/[^A-Za-z0-9_.-]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}
