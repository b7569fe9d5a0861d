// The long form of the back-pressure test: 100 clients of 100 MB against a budget of 256 MB, one way after the other.
// Options: --clients N --megabytes N --budget MB --engine MB, and the ways to go through (all by default).
import { parseArgs } from 'node:util';
import { createCleanups } from '../integration/delta-doors/delta-server.ts';
import { type CrowdKind, runCrowd } from './crowd.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: 'string', default: '100' },
    megabytes: { type: 'string', default: '100' },
    budget: { type: 'string', default: '256' },
    engine: { type: 'string', default: '512' },
  },
});
const kinds: readonly CrowdKind[] = ['http', 'http-zstd', 'http-small', 'flight', 'delta'];
const chosen = kinds.filter((kind) => positionals.length === 0 || positionals.includes(kind));
let failed = false;

for (const kind of chosen) {
  const cleanups = createCleanups();
  const plan = {
    kind,
    clients: Number(values.clients),
    megabytes: Number(values.megabytes),
    budgetMb: Number(values.budget),
    engineMb: Number(values.engine),
  };
  try {
    const outcome = await runCrowd(cleanups, plan);
    const bound = 2 * plan.budgetMb + plan.engineMb;
    const refusals = outcome.deliveries.reduce((sum, delivery) => sum + delivery.refusals, 0);
    const breaks = outcome.deliveries.reduce((sum, delivery) => sum + delivery.breaks, 0);
    const whole = outcome.rowsThere === plan.clients * outcome.rowsEach;
    failed ||= !whole || outcome.peakMb > bound;
    process.stdout.write(
      `${kind}: ${plan.clients} x ${plan.megabytes} MB in ${outcome.seconds.toFixed(1)} s; ${refusals} refusals, ` +
        `${breaks} broken connections; rows ${whole ? 'whole' : `${outcome.rowsThere} of ${plan.clients * outcome.rowsEach}`}; ` +
        `peak ${outcome.peakMb.toFixed(0)} MB of ${bound} MB (${outcome.restingMb.toFixed(0)} MB at rest); ` +
        `held ${outcome.inflightMb.toFixed(0)} MB of ${plan.budgetMb} MB\n`,
    );
  } catch (error) {
    failed = true;
    process.stdout.write(`${kind}: ${error instanceof Error ? error.message : String(error)}\n`);
  } finally {
    await cleanups.run();
  }
}
process.exitCode = failed ? 1 : 0;
