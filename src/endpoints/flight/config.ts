import { z } from 'zod';

/** Options of the Flight door. */
export const flightOptions = {
  flight_port: z.int().min(0).max(65_535).nullable().default(null).meta({
    description: 'A port of its own for Flight; `null`: the same port as HTTP; 0: any free one.',
    restart: true,
  }),
  flight_ticket_seconds: z.int().min(1).max(86_400).default(300).meta({
    description: 'How long the tickets that reading clients are given hold before they must be renewed.',
  }),
  flight_endpoint_bytes: z.int().min(1).nullable().default(134_217_728).meta({
    description:
      'Bytes of data files that one endpoint of a flight info stands for: where a Delta table has more, its rows are shared out to several endpoints that clients read side by side; `null`: always one endpoint.',
  }),
};
