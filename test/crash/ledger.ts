import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runPythonJson } from '../support/python.ts';
import { repositoryRoot } from '../support/repository.ts';
import type { TestServer } from '../support/server.ts';
import type { CrashLoad } from './lanes.ts';
import type { SendingAnswer } from './producers.ts';

/** What a comparison found: numbers of rows, and the loads that are not as they were sent. */
export interface Verdict {
  readonly rows: number;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly partial: readonly string[];
  readonly wrong: readonly string[];
  /** Rows that nobody sent. */
  readonly unknown: readonly string[];
}

const comparePatienceMs = 600_000;

/**
 * Takes an answer into the load's account: it is acknowledged when the last receipt speaks of all its rows. Answers
 * what contradicts the receipts of earlier sendings.
 */
export function takeAnswer(load: CrashLoad, { receipts, error }: SendingAnswer): readonly string[] {
  const complaints: string[] = [];
  const name = `${load.table} load ${load.load}`;
  for (const [index, receipt] of receipts.entries()) {
    const before = load.commits.get(index);
    if (before !== undefined && load.key !== null && (!receipt.replayed || receipt.commit_id !== before)) {
      complaints.push(
        `${name}: acknowledged as ${before}, then as ${receipt.commit_id} (replayed: ${receipt.replayed})`,
      );
    }
    // The last receipt of a split load that ended at a split repeats the commit before.
    if (receipt.rows_processed > 0) load.commits.set(index, receipt.commit_id);
  }
  const last = receipts.at(-1);
  if (error !== null || last === undefined) return complaints;
  const told = last.rows_total ?? last.rows_processed;
  if (told !== load.rows) complaints.push(`${name}: ${load.rows} rows were sent, ${told} acknowledged`);
  load.acknowledged = true;
  return complaints;
}

/** Compares every row in the stopped server's tables with what was sent. */
export function compareRows(server: TestServer, loads: readonly CrashLoad[]): Promise<Verdict> {
  const tables = Map.groupBy(loads, (load) => `${load.lane.backend} ${load.table}`);
  const plan = {
    db: server.dbPath,
    lake: join(server.folder, 'delta_tables'),
    tables: [...tables.values()].map((group) => ({
      backend: group[0]?.lane.backend,
      table: group[0]?.table,
      loads: group.map(({ load, rows, acknowledged }) => ({ load, rows, must: acknowledged })),
    })),
  };
  const planPath = join(server.folder, 'expected.json');
  writeFileSync(planPath, JSON.stringify(plan));
  const script = join(repositoryRoot, 'test', 'crash', 'compare_rows.py');
  return runPythonJson<Verdict>(script, [planPath], { timeoutMs: comparePatienceMs });
}
