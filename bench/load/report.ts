import { arch, availableParallelism, type as systemType, totalmem } from 'node:os';
import type { Contender, Measurement } from './contenders.ts';

/** The figures of one contender over all rounds. */
export interface SummaryRow {
  readonly id: string;
  readonly title: string;
  /** Median over the rounds, as are the others; lowest and highest show the spread. */
  readonly rowsPerSecond: number;
  readonly lowest: number;
  readonly highest: number;
  readonly peakBytes: number | undefined;
  /** Rows a second relative to the peer of the same run; `undefined` for the peers. */
  readonly ratio: number | undefined;
  readonly peerTitle: string | undefined;
  readonly target: Contender['target'];
}

/** What a reader needs to judge the figures or to measure again. */
export interface RunDescription {
  readonly rows: number;
  readonly rounds: number;
  readonly date: string;
  readonly machine: string;
  readonly versions: string;
}

/** Reduces the measurements to medians; every contender must have been measured at least once. */
export function summarize(
  contenders: readonly Contender[],
  measurements: ReadonlyMap<string, readonly Measurement[]>,
  rows: number,
): readonly SummaryRow[] {
  const rates = (id: string) => (measurements.get(id) ?? []).map(({ seconds }) => rows / seconds);
  return contenders.map(({ id, title, peer, target }) => {
    const own = rates(id);
    const peerRates = peer === undefined ? [] : rates(peer);
    const peaks = (measurements.get(id) ?? []).flatMap(({ peakBytes }) => peakBytes ?? []);
    const rowsPerSecond = median(own);
    return {
      id,
      title,
      target,
      rowsPerSecond,
      lowest: Math.min(...own),
      highest: Math.max(...own),
      peakBytes: peaks.length === 0 ? undefined : median(peaks),
      ratio: peerRates.length === 0 ? undefined : rowsPerSecond / median(peerRates),
      peerTitle: contenders.find((other) => other.id === peer)?.title,
    };
  });
}

/** Describes this machine in general words, with the versions that matter. */
export function describeRun(run: {
  rows: number;
  rounds: number;
  versions: Readonly<Record<string, string>>;
}): RunDescription {
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  const { python, pyarrow, duckdb, deltalake } = run.versions;
  return {
    rows: run.rows,
    rounds: run.rounds,
    date: new Date().toISOString().slice(0, 10),
    machine: `${availableParallelism()} cores, ${gibibytes} GiB memory, ${systemType()} ${arch()}`,
    versions: `Node ${process.versions.node}, DuckDB ${duckdb}, deltalake ${deltalake}, pyarrow ${pyarrow}, Python ${python}`,
  };
}

/** The page `bench/RESULTS.md`. */
export function renderMarkdown(summary: readonly SummaryRow[], run: RunDescription): string {
  const duckdb = summary.filter(({ target }) => target === 'duckdb');
  const delta = summary.filter(({ target }) => target === 'delta');
  return `# Bench results

\`npm run bench -- --rounds ${run.rounds}\` on ${run.date}: ${run.machine}; ${run.versions}.

${run.rows.toLocaleString('en-US')} rows × 6 columns (int64, timestamp[us], two short strings, float64 with 5 % nulls, bool; 51 bytes a
row; record batches of 122,880 rows). Medians of ${run.rounds} rounds; a round runs every line once, in this order.

## Into a fresh DuckDB file

${renderTable(duckdb)}

- Every load starts a server process of its own and warms it up with four batches into another table.
- The clients are the same for all servers: a process of their own that holds the data in memory before the clock starts;
  the clock runs from the first write to the receipt of durable rows. With zstd over Flight the client compresses while it
  sends; over HTTP it sends a file that was compressed before.
- After each load the file is opened and its rows counted and summed. DuckDB alone holds its 252 MB input in its own memory.
- The peer is \`bench/peers/flight_server.py\`: pyarrow's C++ Flight server that runs \`INSERT … SELECT\` in the same process.

## Into a fresh Delta table on the local disk

${renderTable(delta)}

- Every load is into a new table, snappy, with the same delta-rs for the server's worker and for the peer, after three loads of the
  same size into another table. The peer is \`bench/peers/write_deltalake.py\`: \`write_deltalake\` from the same IPC stream in its memory.
- The peer of a zstd row reads the same zstd stream, and so do the HTTP client and the second Flight client
  (\`bench/peers/resend-flight.ts\`, which writes gRPC's frames itself), which send its messages as they are. pyarrow's Flight client cannot: it
  compresses while it sends, within the clock and on the same cores, which the peer does not do.
- The HTTP client sends the stream whole, with its length. After each load the table is read and its rows are counted and summed;
  Arrowport's must be in the order in which they were sent. The memory is that of the server without its worker.
`;
}

function renderTable(rows: readonly SummaryRow[]): string {
  const lines = rows.map((row) => {
    const spread = `${millions(row.lowest)} to ${millions(row.highest)}`;
    const peak = row.peakBytes === undefined ? '' : `${Math.round(row.peakBytes / 1e6)} MB`;
    const ratio = row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} × ${row.peerTitle}`;
    return `| ${row.title} | ${millions(row.rowsPerSecond)} | ${spread} | ${ratio} | ${peak} |`;
  });
  if (rows.length === 0) return 'Not measured in this run.';
  return `| loaded by | million rows/s | spread | ratio | peak memory of the server |
|---|---|---|---|---|
${lines.join('\n')}`;
}

function millions(rowsPerSecond: number): string {
  return (rowsPerSecond / 1e6).toFixed(2);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new Error('There is no median of nothing.');
  return (upper + lower) / 2;
}
