// Connections that die half-way and come back: `npm run soak -- --minutes 10 [--connections 24] [--seed N]`.
import { platform } from 'node:os';
import { parseArgs } from 'node:util';
import { runSoak } from '../test/soak/soak-run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    connections: { type: 'string', default: '24' },
    seed: { type: 'string' },
  },
});
if (platform() !== 'linux') throw new Error('What a process holds is read from /proc, which only Linux has.');

const cleanups: (() => void | Promise<void>)[] = [];
try {
  const report = await runSoak(
    { after: (cleanup) => void cleanups.unshift(cleanup) },
    {
      seed: Number(values.seed ?? Math.floor(Math.random() * 2 ** 32)),
      seconds: Number(values.minutes) * 60,
      connections: Number(values.connections),
      onProgress: (line) => console.log(line),
    },
  );
  const { failures, ...figures } = report;
  console.log(
    JSON.stringify({ ...figures, failures: failures.length, first: failures.slice(0, 5) }, null, 2),
  );
  const { before, after } = report;
  const grew = after.fileDescriptors > before.fileDescriptors + 4 || after.rssBytes > before.rssBytes * 1.25;
  if (failures.length > 0 || grew || after.activeStreams > 0 || after.inflightBytes > 0) process.exitCode = 1;
} finally {
  for (const cleanup of cleanups) await cleanup();
}
