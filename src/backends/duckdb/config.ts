import { z } from 'zod';

/** Options of the DuckDB backend. */
export const duckdbOptions = {
  db_path: z.string().min(1).default('./arrowport.duckdb').meta({
    description:
      'DuckDB file, made when missing; `:memory:` keeps everything in memory and loses it at the end.',
    restart: true,
  }),
  duckdb_extensions: z
    .array(
      z
        .string()
        .regex(/^([A-Za-z][A-Za-z0-9_]*|.*\.duckdb_extension)$/)
        .meta({
          expected: 'the name of a DuckDB extension, or the path of a .duckdb_extension file',
        }),
    )
    .default([])
    .meta({
      description:
        'DuckDB extensions to load at start: names (installed when missing) or paths of `.duckdb_extension` files.',
      restart: true,
    }),
  duckdb: z
    .strictObject({
      threads: z.int().min(1).max(4096).nullable().default(null).meta({
        description: 'Threads that DuckDB uses; `null`: one for each core.',
        restart: true,
      }),
      memory_limit: size(
        'How much memory DuckDB uses before it spills to disk; `null`: 192MB at rest, and for loads as much more as their rows need.',
      ),
      checkpoint_threshold: size(
        'How large the write-ahead log grows before it is folded into the file; `null`: DuckDB’s own default, 16 MiB.',
      ),
      settings: z
        .record(
          z
            .string()
            .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
            .meta({ expected: 'the name of a DuckDB setting' }),
          z.union([z.string(), z.number(), z.boolean()]).meta({ expected: 'text, a number, true or false' }),
        )
        .default({})
        .meta({ description: 'Any other DuckDB setting by its name.', restart: true }),
    })
    .prefault({})
    .meta({ description: 'Settings of the embedded DuckDB.' }),
};

/** DuckDB wants a unit with these settings: its spelling is taken as it is, a plain number becomes bytes. */
function size(description: string) {
  return z
    .union([
      z
        .int()
        .min(1)
        .transform((bytes) => `${bytes}B`),
      z.string().regex(/^\d+(\.\d+)? ?([KMGT]i?)?B$/i),
    ])
    .nullable()
    .default(null)
    .meta({
      description,
      restart: true,
      expected: 'a whole number of bytes, or a size such as 4GB or 512MiB',
    });
}
