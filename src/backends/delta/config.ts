import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { findPropertyProblem } from '../../core/delta-properties.ts';

/** Options of the Delta backend. */
export const deltaOptions = {
  delta_config: z
    .strictObject({
      table_path: z
        .string()
        .regex(/^(?![A-Za-z][A-Za-z0-9+.-]*:\/\/).+$|^(file|s3|s3a|gs|az|adl|abfs|abfss):\/\/.+$/)
        .refine(
          isLocalOrStore,
          'write a folder of this machine as a path, or as file:// and the whole path: file:///srv/tables',
        )
        .default('./delta_tables')
        .meta({
          description:
            'Directory or object-store prefix that holds the tables: a path, `s3://bucket/prefix`, `gs://…` or `az://…`.',
          expected: 'a path or an address that starts with s3://, gs://, az://, abfs://, abfss:// or file://',
          restart: true,
        }),
      version_retention_hours: z.int().min(0).default(168).meta({
        description: 'How long old versions stay readable: vacuum keeps their files for this long.',
        restart: true,
      }),
      checkpoint_interval: z.int().min(1).default(10).meta({
        description: 'Write a checkpoint of the table’s log after every this many versions.',
        restart: true,
      }),
      enable_cdc: z.boolean().default(false).meta({
        description: 'Create tables with the change data feed.',
        restart: true,
      }),
      auto_compact: z.boolean().default(true).meta({
        description: 'Compact tables by themselves, beside ingest, when they gather too many small files.',
        restart: true,
      }),
      auto_compact_min_files: z.int().min(2).default(50).meta({
        description: 'How many small files a table gathers before it is compacted.',
        restart: true,
      }),
      storage_options: z
        .record(z.string().min(1), z.union([z.string(), z.boolean(), z.number()]).transform(String))
        .default({})
        .meta({
          description:
            'Passed to the object store, e.g. `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`. Take secrets from environment variables, never from this file.',
          expected: 'a mapping of option names to values',
          restart: true,
        }),
    })
    .prefault({})
    .meta({ description: 'Where Delta tables are and how they are kept.' }),
};

const columnName = z.string().min(1);

/** A route's `delta_options`. */
export const deltaRouteSchema = z.strictObject({
  partition_by: z
    .array(columnName)
    .default([])
    .meta({ description: 'Columns that a new table is partitioned by, outermost first.' }),
  z_order_by: z
    .array(columnName)
    .default([])
    .meta({ description: 'Columns that automatic compaction clusters rows by (z-order).' }),
  target_file_size: z
    .int()
    .min(1)
    .default(134_217_728)
    .meta({ description: 'Size that data files are aimed at, in bytes.' }),
  compression: z
    .enum(['snappy', 'gzip', 'lz4', 'zstd', 'none'])
    .default('snappy')
    .meta({ description: 'Parquet compression of the data files; `lz4` is LZ4_RAW.' }),
  write_mode: z.enum(['append', 'overwrite']).default('append').meta({
    description: 'What a load does to the rows that are there, where the request does not say.',
  }),
  auto_create_table: z.boolean().default(true).meta({
    description: 'Create the table with the first load; `false`: a load without a table is refused.',
  }),
  max_commit_retries: z.int().min(0).max(100).default(3).meta({
    description:
      'How often a commit is tried again after another writer was faster; waits 100, 200, 400 … ms with jitter.',
  }),
  auto_compact: z.boolean().nullable().default(null).meta({
    description: 'Compact this table by itself; `null`: as `delta_config.auto_compact` says.',
  }),
  writer: z.enum(['auto', 'duckdb', 'delta-rs']).default('auto').meta({
    description:
      'Which engine writes data files. `auto`: delta-rs, but DuckDB where a large load without floats comes in compressed buffers that are small or dictionary-encoded or views, goes into a local table without partitions, and DuckDB writes it exactly. `duckdb`: DuckDB wherever it writes it exactly. `delta-rs`: never DuckDB.',
  }),
  table_properties: z
    .record(z.string().min(1), z.union([z.string(), z.boolean(), z.number()]).transform(String))
    .superRefine((properties, context) => {
      for (const [name, value] of Object.entries(properties)) {
        const problem = findPropertyProblem(name, value);
        if (problem === undefined) continue;
        context.addIssue({ code: 'custom', message: `${name} ${problem}`, path: [name] });
      }
    })
    .default({})
    .meta({
      description: 'Delta table properties set when the table is created, e.g. `delta.appendOnly: true`.',
      expected: 'a mapping of property names to values',
    }),
});

function isLocalOrStore(path: string): boolean {
  if (!path.startsWith('file://')) return true;
  try {
    return fileURLToPath(path) !== '';
  } catch {
    return false;
  }
}
