// The long forms of the fuzz tests: node test/fuzz/run.ts decoder|doors|delta [--count N] [--seed N]
import { parseArgs } from 'node:util';
import { createCleanups } from '../integration/delta-doors/delta-server.ts';
import { fuzzDecoder } from './decoder.ts';
import { fuzzDoors } from './doors.ts';
import { loadSeeds } from './seeds.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, seed: { type: 'string', default: '1' } },
});
const seeds = await loadSeeds();
const seed = Number(values.seed);
const startedAt = performance.now();
const onProgress = (done: number) => {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  process.stderr.write(`${done} after ${seconds} s\n`);
};
const cleanups = createCleanups();
try {
  const [what] = positionals;
  if (what !== 'decoder' && what !== 'doors' && what !== 'delta')
    throw new Error('Say decoder, doors or delta.');
  const count = Number(values.count ?? (what === 'decoder' ? 1_000_000 : 10_000));
  const outcome =
    what === 'decoder'
      ? await fuzzDecoder(seeds, { count, seed, onProgress })
      : await fuzzDoors(cleanups, seeds, {
          doors: what === 'delta' ? 'delta' : 'both',
          count,
          seed,
          onProgress,
        });
  const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(1));
  process.stdout.write(
    `${JSON.stringify({ what, count, seed, seeds: seeds.length, seconds, ...outcome }, null, 2)}\n`,
  );
} finally {
  await cleanups.run();
}
