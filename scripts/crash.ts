// Crashes by the hundred: `npm run crash -- --rounds 1000 [--seed N]`. Ends with 1 when anything was lost or doubled.
import { platform } from 'node:os';
import { parseArgs } from 'node:util';
import { runCrashes } from '../test/crash/crash-run.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    'rounds-per-comparison': { type: 'string', default: '50' },
  },
});
if (platform() !== 'linux') throw new Error('The Delta worker is found by /proc, which only Linux has.');

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
const cleanups: (() => void | Promise<void>)[] = [];
const startedAt = performance.now();
console.log(`seed ${seed}; the same again: npm run crash -- --rounds ${values.rounds} --seed ${seed}`);
try {
  const report = await runCrashes(
    { after: (cleanup) => void cleanups.unshift(cleanup) },
    {
      seed,
      rounds: Number(values.rounds),
      roundsPerComparison: Number(values['rounds-per-comparison']),
      onProgress: (line) => console.log(`${Math.round((performance.now() - startedAt) / 1000)} s, ${line}`),
    },
  );
  console.log(JSON.stringify(report, null, 2));
  if (report.complaints.length > 0) process.exitCode = 1;
} finally {
  for (const cleanup of cleanups) await cleanup();
}
