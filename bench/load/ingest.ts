import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runPython, runPythonJson } from '../../test/support/python.ts';
import { renderChart } from './chart.ts';
import { type BenchData, type Contender, duckdbContenders, type Measurement } from './contenders.ts';
import { deltaContenders, deltaWays } from './delta-contenders.ts';
import { describeRun, renderMarkdown, summarize } from './report.ts';

const defaultRows = 5_000_000;
const defaultRounds = 5;
/** What a full run measures; the rest is measured when it is asked for. */
const contenders = [...duckdbContenders, ...deltaContenders];
const benchFolder = join(import.meta.dirname, '..');

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: String(defaultRounds) },
    rows: { type: 'string', default: String(defaultRows) },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const usage = `npm run bench -- [--rounds ${defaultRounds}] [--rows ${defaultRows}] [--only delta,flight-plain]
--only takes ids, or what they begin with: delta is all of Delta Lake, ways both of its writers.
Measures in rounds, every contender once a round, and prints medians.
A full run (all contenders, at least ${defaultRounds} rounds, ${defaultRows} rows) also writes bench/RESULTS.md and bench/results.svg.`;

async function makeData(rows: number): Promise<BenchData> {
  const folder = join(benchFolder, '.cache', `rows-${rows}`);
  const made = await runPython(join(benchFolder, 'peers', 'make_data.py'), [folder, String(rows)]);
  if (made.code !== 0) throw new Error(`The data could not be made:\n${made.stderr}`);
  return {
    rows,
    plain: join(folder, 'plain.arrows'),
    zstd: join(folder, 'zstd.arrows'),
    warmUp: join(folder, 'warm-up.arrows'),
  };
}

/** Runs one contender; what it started and wrote is gone afterwards, so that the next one has the machine to itself. */
async function measure(contender: Contender, data: BenchData): Promise<Measurement> {
  const cleanups: (() => void | Promise<void>)[] = [];
  try {
    return await contender.run({ after: (cleanup) => cleanups.push(cleanup) }, data);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

function selectContenders(only: string | undefined): readonly Contender[] {
  if (only === undefined) return contenders;
  const all = [...contenders, ...deltaWays];
  const wanted = only.split(',');
  const isMeant = (name: string, { id }: Contender) => id === name || id.startsWith(`${name}-`);
  const unknown = wanted.filter((name) => !all.some((contender) => isMeant(name, contender)));
  if (unknown.length > 0) {
    throw new Error(`No contender ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}.`);
  }
  return all.filter((contender) => wanted.some((name) => isMeant(name, contender)));
}

async function main(): Promise<void> {
  if (options.help) {
    console.log(usage);
    return;
  }
  const rows = Number(options.rows);
  const rounds = Number(options.rounds);
  const selected = selectContenders(options.only);
  const data = await makeData(rows);
  const measurements = new Map<string, Measurement[]>(selected.map(({ id }) => [id, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of selected) {
      const measurement = await measure(contender, data);
      measurements.get(contender.id)?.push(measurement);
      const millionRows = (rows / measurement.seconds / 1e6).toFixed(2);
      console.log(`round ${round}/${rounds}  ${contender.title.padEnd(40)} ${millionRows} M rows/s`);
    }
  }
  const summary = summarize(selected, measurements, rows);
  const versions = await runPythonJson<Record<string, string>>(
    'import deltalake, duckdb, json, platform, pyarrow\n' +
      'print(json.dumps({"python": platform.python_version(), "pyarrow": pyarrow.__version__, "duckdb": duckdb.__version__, "deltalake": deltalake.__version__}))',
  );
  const run = describeRun({ rows, rounds, versions });
  const markdown = renderMarkdown(summary, run);
  console.log(`\n${markdown}`);
  if (options.only === undefined && rows === defaultRows && rounds >= defaultRounds) {
    writeFileSync(join(benchFolder, 'RESULTS.md'), markdown);
    writeFileSync(
      join(benchFolder, 'results.svg'),
      renderChart(summary.filter(({ target }) => target === 'duckdb')),
    );
  }
}

await main();
