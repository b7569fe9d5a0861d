import { z } from 'zod';

/** Options of the Delta backend. */
export const deltaOptions = {
  delta_config: z
    .strictObject({
      table_path: z
        .string()
        .regex(/^(?![A-Za-z][A-Za-z0-9+.-]*:\/\/).+$|^(file|s3|s3a|gs|az|adl|abfs|abfss):\/\/.+$/)
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
