import { z } from 'zod';

/** Options of the log and of the audit log. */
export const telemetryOptions = {
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').meta({
        description: 'The least severe lines that are written.',
      }),
      format: z.enum(['auto', 'json', 'pretty']).default('auto').meta({
        description:
          '`json`: one object a line; `pretty`: for people; `auto`: pretty on a terminal, else json.',
        restart: true,
      }),
    })
    .prefault({})
    .meta({ description: 'The log: one line for each load, warning and error.' }),
  audit: z
    .strictObject({
      file: z.string().min(1).nullable().default(null).meta({
        description:
          'File that is appended to, one JSON object a line; it may be renamed away while the server runs. `null`: no audit log.',
        restart: true,
      }),
    })
    .prefault({})
    .meta({
      description: 'The audit log: who wrote or changed what, when, with what outcome.',
    }),
};
