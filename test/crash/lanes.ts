import type { SeededRandom } from './seeded-random.ts';

/** One way that loads take into the server; its loads follow one another. */
export interface Lane {
  readonly name: string;
  readonly door: 'http' | 'flight';
  readonly backend: 'duckdb' | 'delta';
  /** Whether loads carry a key, and are sent again until they are acknowledged. */
  readonly keyed: boolean;
  /** Whether the route commits a load in parts. */
  readonly split: boolean;
  /** Whether each load is the first of a table of its own. */
  readonly fresh: boolean;
}

/** Rows after which a split load commits a part. */
export const splitRows = 3000;

/** The routes that the lanes need; small chunks make many statements of one load. */
export const laneRoutes = `streams:
  http_duckdb: {chunk_size: 2048}
  http_delta: {storage_backend: delta}
  flight_duckdb: {chunk_size: 4096}
  flight_delta: {storage_backend: delta}
  split_duckdb: {commit: {rows: ${splitRows}}}
  split_delta: {storage_backend: delta, commit: {rows: ${splitRows}}}
  bare_duckdb: {chunk_size: 2048}
  bare_delta: {storage_backend: delta}
`;

const usual = { keyed: true, split: false, fresh: false };

/** Every lane there is. */
export const lanes: readonly Lane[] = [
  { ...usual, name: 'http_duckdb', door: 'http', backend: 'duckdb' },
  { ...usual, name: 'http_delta', door: 'http', backend: 'delta' },
  { ...usual, name: 'flight_duckdb', door: 'flight', backend: 'duckdb' },
  { ...usual, name: 'flight_delta', door: 'flight', backend: 'delta' },
  { ...usual, name: 'split_duckdb', door: 'flight', backend: 'duckdb', split: true },
  { ...usual, name: 'split_delta', door: 'flight', backend: 'delta', split: true },
  { ...usual, name: 'bare_duckdb', door: 'http', backend: 'duckdb', keyed: false },
  { ...usual, name: 'bare_delta', door: 'http', backend: 'delta', keyed: false },
  { ...usual, name: 'first_duckdb', door: 'http', backend: 'duckdb', fresh: true },
  { ...usual, name: 'first_delta', door: 'flight', backend: 'delta', fresh: true },
];

/** One load: what is sent, and what is known of it so far. */
export interface CrashLoad {
  readonly lane: Lane;
  /** Its number, which all of its rows follow from. */
  readonly load: number;
  readonly key: string | null;
  readonly table: string;
  readonly rows: number;
  readonly batches: number;
  readonly pauseMs: number;
  acknowledged: boolean;
  attempts: number;
  /** By their place among the load's receipts: the commits that a client was told of. */
  readonly commits: Map<number, string>;
}

/** Draws the next load of a lane: mostly small ones, some of many statements, a few past what is kept in memory. */
export function drawLoad(lane: Lane, load: number, random: SeededRandom): CrashLoad {
  const size = random.unit();
  const rows =
    size < 0.7 ? random.int(1, 3000) : size < 0.96 ? random.int(3000, 40_000) : random.int(150_000, 450_000);
  return {
    lane,
    load,
    key: lane.keyed ? `load-${load}` : null,
    table: lane.fresh ? `${lane.name}_${load}` : lane.name,
    rows,
    batches: random.int(1, 12),
    pauseMs: random.pick([0, 0, 2, 10]),
    acknowledged: false,
    attempts: 0,
    commits: new Map(),
  };
}
