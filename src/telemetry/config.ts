import { z } from 'zod';

/** Options of the log. */
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
};
