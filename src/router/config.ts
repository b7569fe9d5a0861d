import { z } from 'zod';
import { deltaRouteSchema } from '../backends/delta/config.ts';
import { isStreamName } from '../core/stream-name.ts';
import { isStreamKey } from './pattern.ts';
import { findTableName } from './table-name.ts';

const storageBackend = z.enum(['duckdb', 'delta']);

/** How Arrow buffers are compressed: the root's `compression` and that of a route. */
export const compressionSchema = z
  .strictObject({
    algorithm: z
      .enum(['zstd', 'lz4', 'none'])
      .default('zstd')
      .meta({ description: 'Codec of the Arrow buffers: `zstd`, `lz4` (LZ4 frames) or `none`.' }),
    level: z.int().min(1).max(22).nullable().default(null).meta({
      description:
        'Effort of the codec: 1 to 22 for `zstd`, 1 to 12 for `lz4`. `null`: 3 for `zstd`, the fastest for `lz4`. Not allowed with `none`.',
    }),
  })
  .superRefine(({ algorithm, level }, context) => {
    if (level === null) return;
    const path = ['level'];
    if (algorithm === 'none') {
      context.addIssue({
        code: 'custom',
        path,
        message: 'has no meaning with algorithm: none; leave it out',
      });
    } else if (algorithm === 'lz4' && level > 12) {
      context.addIssue({ code: 'custom', path, message: 'expected a whole number from 1 to 12 for lz4' });
    }
  })
  .transform(({ algorithm, level }) => ({ algorithm, level: level ?? (algorithm === 'zstd' ? 3 : null) }));

const commitSchema = z
  .strictObject({
    rows: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .meta({ description: 'Commit after this many rows; `null`: the number of rows does not split.' }),
    bytes: z.int().min(1).nullable().default(null).meta({
      description: 'Commit after this many Arrow bytes as received; `null`: the size does not split.',
    }),
    interval_ms: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .meta({ description: 'Commit after this many milliseconds; `null`: time does not split.' }),
  })
  .superRefine(({ rows, bytes, interval_ms }, context) => {
    if (rows !== null || bytes !== null || interval_ms !== null) return;
    context.addIssue({ code: 'custom', message: 'names no bound; give rows, bytes or interval_ms' });
  });

/** One route: what happens to the streams of one name or pattern. */
export const routeSchema = z.strictObject({
  target_table: z.string().nullable().default(null).meta({
    description:
      'Table the rows go to. DuckDB: `table` or `schema.table` (split at the first dot outside double quotes; the schema is created when missing). Delta: a name by the rule of stream names. `null`: the stream’s own name as one identifier.',
  }),
  storage_backend: storageBackend
    .nullable()
    .default(null)
    .meta({ description: 'Where the table is; `null`: as the root’s `storage_backend` says.' }),
  chunk_size: z.int().min(1).max(100_000_000).default(122_880).meta({
    description:
      'Rows that small record batches are gathered to before they are handed on; the default is DuckDB’s row group.',
  }),
  schema_mode: z.enum(['strict', 'merge']).default('strict').meta({
    description:
      '`strict`: a stream that does not fit the table is refused. `merge`: new columns are added and types widened in the same transaction.',
  }),
  commit: commitSchema.nullable().default(null).meta({
    description:
      'Split one long Flight DoPut into several commits, each with a receipt of its own; the first bound that is reached commits. `null`: the whole stream is one commit.',
  }),
  compression: compressionSchema.nullable().default(null).meta({
    description: 'Compression of what is sent of this stream; `null`: as the root’s `compression` says.',
  }),
  delta_options: deltaRouteSchema.prefault({}).meta({ description: 'Options of a Delta table.' }),
});

/** A route as the configuration gives it, every default filled in. */
export type RouteConfig = z.output<typeof routeSchema>;

/** The router's options at the root of the configuration. */
export const routerOptions = {
  storage_backend: storageBackend
    .default('duckdb')
    .meta({ description: 'Where tables are when a route does not say, and for streams without a route.' }),
  compression: compressionSchema.prefault({ algorithm: 'zstd', level: 3 }).meta({
    description:
      'Compression of the Arrow buffers that Arrowport itself emits, and that `arrowport ingest` sends.',
  }),
  streams: z
    .record(
      z.string().refine(isStreamKey, {
        error:
          'expected a stream name (1 to 128 of A-Z a-z 0-9 _ - ., the first a letter, a digit or _) or such a name with * for any characters',
      }),
      routeSchema.meta({ description: 'The route of one stream, or of all streams that a pattern covers.' }),
    )
    .default({})
    .meta({
      description:
        'Routes by stream name. Exact names win, then the pattern with the most literal characters; a stream without a route goes to the table of its name on `storage_backend`.',
    }),
};

/**
 * What is wrong with a route's `target_table` on its backend; undefined when nothing is. A name depends on the
 * backend, which the root may give, so the whole document is checked with this.
 */
export function findTargetFault(target: string, backend: 'duckdb' | 'delta'): string | undefined {
  if (backend === 'delta') {
    return isStreamName(target)
      ? undefined
      : 'expected a Delta table name: 1 to 128 of A-Z a-z 0-9 _ - ., the first a letter, a digit or _';
  }
  return findTableName(target) === undefined
    ? 'expected a table name: table or schema.table, double quotes around a part that has a dot'
    : undefined;
}
