import type { MigrationProgress } from '../core/migration.ts';
import type { TerminalStream } from './host.ts';
import { formatRate } from './ingest-progress.ts';
import { paint } from './output.ts';

const refreshIntervalMs = 100;
const barCells = 24;

/** A line on the terminal that tells how far a migration is; nothing where the stream is no terminal. */
export class MigrateProgress {
  readonly #stream: TerminalStream;
  readonly #isShown: boolean;
  #drawnAt = 0;
  #copiedFrom: { readonly at: number; readonly rows: number } | null = null;
  #rows = 0;

  constructor(stream: TerminalStream, isQuiet: boolean) {
    this.#stream = stream;
    this.#isShown = stream.isTTY === true && !isQuiet;
  }

  /** Rows so far. */
  get rows(): number {
    return this.#rows;
  }

  show(progress: MigrationProgress): void {
    this.#rows = progress.rows;
    const now = performance.now();
    if (progress.phase === 'copying') this.#copiedFrom ??= { at: now, rows: progress.rows };
    if (!this.#isShown || now - this.#drawnAt < refreshIntervalMs) return;
    this.#drawnAt = now;
    this.#stream.write(`\r\x1b[K${this.#describe(progress, now)}`);
  }

  /** Takes the line away. */
  stop(): void {
    if (this.#drawnAt > 0) this.#stream.write('\r\x1b[K');
    this.#drawnAt = 0;
  }

  #describe({ phase, rows, total }: MigrationProgress, now: number): string {
    if (phase === 'checking') return 'looking at every value …';
    if (phase === 'finishing') return 'committing …';
    const from = this.#copiedFrom ?? { at: now, rows };
    const share = total === null || total === 0 ? 0 : Math.min(1, rows / total);
    const cells = Math.floor(share * barCells);
    const bar = `${'█'.repeat(cells)}${'░'.repeat(barCells - cells)} ${Math.floor(share * 100)} %`;
    const rate = formatRate(rows - from.rows, (now - from.at) / 1000);
    return `${paint(this.#stream, 'cyan', bar)} ${rows.toLocaleString('en-US')} rows  ${rate}`;
  }
}
