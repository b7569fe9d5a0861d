import { z } from 'zod';

/** Options of the query engine. */
export const queryOptions = {
  query: z
    .strictObject({
      timeout_ms: z.int().min(1).max(2_147_483_647).default(3_600_000).meta({
        description:
          'How long a query may take, from its start to the last row read; requests may ask for less.',
      }),
      max_result_rows: z.int().min(1).nullable().default(null).meta({
        description: 'Rows of the largest result; larger ones are refused with `RESULT_TOO_LARGE`.',
      }),
      max_result_bytes: z.int().min(1).nullable().default(null).meta({
        description: 'Arrow bytes of the largest result; larger ones are refused with `RESULT_TOO_LARGE`.',
      }),
      max_call_bytes: z.int().min(1024).nullable().default(134_217_728).meta({
        description:
          'Memory that one call of a function may take for what it makes of 2,048 rows, where that hangs on values: `range()`, `repeat()`, `lpad()` and others. One value may have a 2,048th of it, less where a statement has several such calls; larger ones are refused with `RESULT_TOO_LARGE`. null: no bound, for readers who are trusted with all of the memory.',
      }),
      max_growth_bytes: z.int().min(1_048_576).nullable().default(1_073_741_824).meta({
        description:
          'How far the server may grow while a query runs whose memory DuckDB does not count in `duckdb.memory_limit` (`median`, `mode`, quantiles, histograms, recursion): such queries are stopped then, with `RESULT_TOO_LARGE`. null: never.',
      }),
      max_concurrent: z.int().min(1).max(1024).default(32).meta({
        description:
          'Queries that run at the same time; more wait for 10 seconds, then are answered `OVERLOADED`.',
      }),
      max_sessions: z.int().min(1).max(65_536).default(256).meta({
        description: 'Sessions (transactions, temporary tables) that are open at the same time.',
      }),
      allowed_functions: z
        .array(
          z
            .string()
            .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
            .meta({ expected: 'the name of a function' }),
        )
        .default([])
        .meta({
          description:
            'Functions of loaded extensions that SQL may call besides DuckDB’s own; whoever may query can then do what they do.',
          restart: true,
        }),
    })
    .prefault({})
    .meta({ description: 'Bounds of SQL queries.' }),
};

/** The options as the engine reads them. */
export interface QuerySettings {
  readonly timeout_ms: number;
  readonly max_result_rows: number | null;
  readonly max_result_bytes: number | null;
  readonly max_call_bytes: number | null;
  readonly max_growth_bytes: number | null;
  readonly max_concurrent: number;
  readonly max_sessions: number;
  readonly allowed_functions: readonly string[];
}
