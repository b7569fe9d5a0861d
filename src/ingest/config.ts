import { z } from 'zod';

/** Options of the ingest path. */
export const ingestOptions = {
  limits: z
    .strictObject({
      max_body_bytes: z.int().min(1).nullable().default(null).meta({
        description: 'Largest HTTP body, in bytes as sent; `null`: any, it streams through.',
      }),
      max_message_bytes: z.int().min(1).max(4_294_967_295).default(268_435_456).meta({
        description: 'Largest single Arrow message, in bytes as sent and as decompressed.',
      }),
      max_decompressed_ratio: z.number().min(1).default(200).meta({
        description: 'How many times its size a body may unfold to; counts only past 64 MiB of output.',
      }),
      max_inflight_bytes: z.int().min(1).default(536_870_912).meta({
        description: 'Arrow bytes that all loads together hold in memory; producers wait beyond it.',
        restart: true,
      }),
      max_streams: z.int().min(1).default(256).meta({
        description: 'Loads that run at the same time; more are answered `OVERLOADED`.',
        restart: true,
      }),
      idle_timeout_seconds: z.int().min(1).max(86_400).default(60).meta({
        description: 'How long a load may send nothing before it is ended.',
      }),
    })
    .prefault({})
    .meta({ description: 'Bounds that keep one client from taking everything.' }),
  idempotency: z
    .strictObject({
      retention_hours: z.int().min(1).default(168).meta({
        description: 'How long a key is remembered, and so how late a repeated load is still recognised.',
      }),
    })
    .prefault({})
    .meta({ description: 'Exactly-once loads by `Idempotency-Key`.' }),
};
