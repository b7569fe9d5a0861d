import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runPython, runPythonJson } from '../../test/support/python.ts';
import { renderChart } from './chart.ts';
import { type BenchData, type Contender, contenders, type Measurement } from './contenders.ts';
import { describeRun, renderMarkdown, summarize } from './report.ts';

const defaultRows = 5_000_000;
const defaultRounds = 5;
const benchFolder = join(import.meta.dirname, '..');

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: String(defaultRounds) },
    rows: { type: 'string', default: String(defaultRows) },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const usage = `npm run bench -- [--rounds ${defaultRounds}] [--rows ${defaultRows}] [--only flight-plain,peer-flight-plain]
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
  const ids = only.split(',');
  const unknown = ids.filter((id) => !contenders.some((contender) => contender.id === id));
  if (unknown.length > 0) {
    throw new Error(
      `No contender ${unknown.join(', ')}; there are ${contenders.map(({ id }) => id).join(', ')}.`,
    );
  }
  return contenders.filter((contender) => ids.includes(contender.id));
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
    'import duckdb, json, platform, pyarrow\n' +
      'print(json.dumps({"python": platform.python_version(), "pyarrow": pyarrow.__version__, "duckdb": duckdb.__version__}))',
  );
  const run = describeRun({ rows, rounds, versions });
  const markdown = renderMarkdown(summary, run);
  console.log(`\n${markdown}`);
  if (options.only === undefined && rows === defaultRows && rounds >= defaultRounds) {
    writeFileSync(join(benchFolder, 'RESULTS.md'), markdown);
    writeFileSync(join(benchFolder, 'results.svg'), renderChart(summary));
  }
}

await main();
