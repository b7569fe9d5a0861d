import { cpSync, existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DeltaServer, startDeltaServer } from '../integration/delta-doors/delta-server.ts';
import { patienceMs } from '../support/patience.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';
import { type CrashReport, createReport, noteInstant } from './crash-report.ts';
import { dieAtStart, endedByItself, killWorker } from './kills.ts';
import { type CrashLoad, drawLoad, type Lane, laneRoutes, lanes } from './lanes.ts';
import { compareRows, takeAnswer } from './ledger.ts';
import { type Producers, type Sending, startProducers } from './producers.ts';
import { createSeededRandom, type SeededRandom } from './seeded-random.ts';
import { createPace, createTrigger, type Trigger } from './trigger.ts';

/** What a run of crashes is told. */
export interface CrashRunOptions {
  readonly seed: number;
  readonly rounds: number;
  /** Rounds on one set of tables, before every row of them is compared. */
  readonly roundsPerComparison: number;
  /** Takes a line for people now and then. */
  onProgress?(line: string): void;
}

const lanesPerRound = 4;
const loadsPerLane = 4;
const retryPauseMs = 300;
const mostStarts = 10;

/** What an answer may say when the server or its worker was killed; anything else contradicts the promise. */
const expectedRefusals = /BACKEND_UNAVAILABLE|COMMIT_UNKNOWN|COMMIT_CONFLICT|OVERLOADED|SHUTTING_DOWN/;

/** Runs rounds of loads, kills and restarts, and compares every row. `owner` ends what is left when it fails. */
export async function runCrashes(owner: CleanupOwner, options: CrashRunOptions): Promise<CrashReport> {
  const report = createReport(options.seed);
  const producers = startProducers(owner);
  for (let first = 0; first < options.rounds; first += options.roundsPerComparison) {
    const rounds = Math.min(options.roundsPerComparison, options.rounds - first);
    const seed = (options.seed + first) >>> 0;
    await new Epoch(owner, producers, report, seed).run(rounds);
    options.onProgress?.(`${first + rounds} rounds: ${JSON.stringify(report)}`);
  }
  return report;
}

/** Rounds on one folder, from an empty database to the comparison of every row. */
class Epoch {
  readonly #owner: CleanupOwner;
  readonly #producers: Producers;
  readonly #report: CrashReport;
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #pace = createPace();
  readonly #loads: CrashLoad[] = [];
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  constructor(owner: CleanupOwner, producers: Producers, report: CrashReport, seed: number) {
    this.#owner = owner;
    this.#producers = producers;
    this.#report = report;
    this.#seed = seed;
    this.#random = createSeededRandom(seed);
  }

  async run(rounds: number): Promise<void> {
    let cleaned = false;
    const clean = async () => {
      if (cleaned) return;
      cleaned = true;
      for (const cleanup of this.#cleanups.reverse()) await cleanup();
    };
    this.#owner.after(clean);
    const threshold = this.#random.pick(['', 'duckdb: {checkpoint_threshold: 256KB}\n']);
    const owner = { after: (cleanup: () => void | Promise<void>) => void this.#cleanups.push(cleanup) };
    const config = `${laneRoutes}${threshold}log: {level: warn}\n`;
    const server = await patiently(() => startDeltaServer(owner, config));
    for (let round = 0; round < rounds; round += 1) await this.#runRound(server);
    await this.#finish(server);
    await clean();
  }

  async #runRound(server: DeltaServer): Promise<void> {
    const random = this.#random;
    const killsWorker = random.unit() < 0.25;
    const trigger = createTrigger(random, this.#pace);
    const chosen = new Set(Array.from({ length: lanesPerRound }, () => random.pick(lanes)));
    const sendings: Sending[] = [];
    const running = [...chosen].map((lane) => this.#runLane(lane, server, sendings, trigger));
    await trigger.fired(Promise.all(running));
    trigger.over = true;
    if (endedByItself(server)) this.#report.complaints.push(`${this.#where()}: the server ended by itself`);
    const instants = sendings.map(({ step, answeredAt, load }) => ({ step, answeredAt, load }));
    const killedAt = performance.now();
    if (killsWorker) {
      if (killWorker(server)) this.#report.workerKills += 1;
    } else {
      await server.kill();
      this.#report.serverKills += 1;
    }
    for (const instant of instants) noteInstant(this.#report, instant, killedAt, killsWorker);
    await Promise.all(running);
    this.#report.rounds += 1;
    if (killsWorker) return;
    if (random.unit() < 0.25) {
      await dieAtStart(server, random.int(20, 900));
      this.#report.startKills += 1;
    }
    await patiently(() => server.restart()).catch((error: unknown) => {
      const kept = mkdtempSync(join(tmpdir(), 'arrowport-crashed-'));
      cpSync(server.folder, kept, { recursive: true });
      throw new Error(`${this.#where()}: the server does not start again; its folder is kept as ${kept}`, {
        cause: error,
      });
    });
  }

  /** Sends a lane's loads, one after another, until the kill. Those that were not acknowledged come first. */
  async #runLane(lane: Lane, server: DeltaServer, sendings: Sending[], trigger: Trigger): Promise<void> {
    for (let sent = 0; sent < loadsPerLane && !trigger.over; sent += 1) {
      const load = this.#nextLoad(lane);
      const sending = this.#producers.send(load, server, (stepped) => trigger.step(stepped));
      sendings.push(sending);
      await this.#take(sending, trigger);
    }
  }

  #nextLoad(lane: Lane): CrashLoad {
    const own = this.#loads.filter((load) => load.lane === lane && load.key !== null);
    const open = own.find((load) => !load.acknowledged);
    if (open !== undefined) return open;
    if (own.length > 0 && this.#random.unit() < 0.15) return this.#random.pick(own);
    const load = drawLoad(lane, this.#loads.length, this.#random);
    this.#loads.push(load);
    this.#report.loads += 1;
    return load;
  }

  async #take(sending: Sending, trigger: Trigger | null): Promise<void> {
    const { load } = sending;
    const wasOpen = !load.acknowledged && load.attempts > 1 && load.commits.size === 0;
    const answer = await sending.answer;
    const complaints = takeAnswer(load, answer);
    this.#report.complaints.push(...complaints.map((complaint) => `${this.#where()}: ${complaint}`));
    const [receipt] = answer.receipts;
    if (wasOpen && receipt?.replayed === true) this.#report.landedUnacknowledged += 1;
    if (load.acknowledged && load.attempts > 1) this.#report.resendsAnswered += 1;
    if (answer.error === null || trigger?.over === true || expectedRefusals.test(answer.error)) return;
    this.#report.complaints.push(`${this.#where()}: ${load.table} load ${load.load}: ${answer.error}`);
  }

  async #finish(server: DeltaServer): Promise<void> {
    for (const load of this.#loads) {
      const deadline = performance.now() + patienceMs;
      for (let retry = 0; load.key !== null && !load.acknowledged; retry += 1) {
        if (retry > 0) await sleep(retryPauseMs);
        const sending = this.#producers.send(load, server, () => undefined);
        await this.#take(sending, null);
        if (performance.now() < deadline) continue;
        this.#report.complaints.push(`${this.#where()}: load ${load.load} was never acknowledged`);
        break;
      }
    }
    const code = await server.stop();
    if (code !== 0) this.#report.complaints.push(`${this.#where()}: stopping ended with ${code}`);
    if (existsSync(`${server.dbPath}.wal`))
      this.#report.complaints.push(`${this.#where()}: a write-ahead log was left`);
    const verdict = await compareRows(server, this.#loads);
    this.#report.rowsCompared += verdict.rows;
    for (const kind of ['lost', 'doubled', 'partial', 'wrong', 'unknown'] as const) {
      this.#report[kind] += verdict[kind].length;
      this.#report.complaints.push(...verdict[kind].map((load) => `${this.#where()}: ${kind}: ${load}`));
    }
  }

  #where(): string {
    return `seed ${this.#seed}, round ${this.#report.rounds}`;
  }
}

/** On a machine with other work to do a start may take longer than tests wait for it. */
async function patiently<T>(start: () => Promise<T>): Promise<T> {
  for (let retry = 0; ; retry += 1) {
    try {
      return await start();
    } catch (error) {
      if (retry === mostStarts) throw error;
      await sleep(retryPauseMs);
    }
  }
}
