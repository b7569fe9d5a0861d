import type { TerminalStream } from './host.ts';
import { formatBytes, paint } from './output.ts';

const refreshIntervalMs = 100;
const barCells = 24;
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** A line on the terminal that tells how far sending is; nothing where the stream is no terminal. */
export class IngestProgress {
  readonly #stream: TerminalStream;
  readonly #isShown: boolean;
  readonly #findProgress: () => number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = performance.now();
  #rows = 0;
  #bytes = 0;
  #frame = 0;
  #startedFrom = 0;

  /** `findProgress` tells how much is done, 0 to 1, where that can be told. */
  constructor(stream: TerminalStream, isQuiet: boolean, findProgress: () => number | undefined) {
    this.#stream = stream;
    this.#findProgress = findProgress;
    this.#isShown = stream.isTTY === true && !isQuiet;
  }

  /** Starts counting, from nothing. */
  start(): void {
    this.#startedAt = performance.now();
    this.#rows = 0;
    this.#bytes = 0;
    this.#startedFrom = this.#findProgress() ?? 0;
    if (this.#isShown) this.#timer ??= setInterval(() => this.#draw(), refreshIntervalMs);
  }

  sent(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
  }

  /** Takes the line away. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stream.write('\r\x1b[K');
  }

  #draw(): void {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const sign = paint(this.#stream, 'cyan', this.#drawSign());
    const rows = this.#rows.toLocaleString('en-US');
    const line = `${sign} ${rows} rows  ${formatBytes(this.#bytes)}  ${formatRate(this.#rows, seconds)}`;
    this.#stream.write(`\r\x1b[K${line}`);
  }

  #drawSign(): string {
    const progress = this.#findProgress();
    this.#frame += 1;
    if (progress === undefined) return spinner[this.#frame % spinner.length] ?? '';
    const done = Math.min(1, progress - this.#startedFrom);
    const cells = Math.floor(done * barCells);
    return `${'█'.repeat(cells)}${'░'.repeat(barCells - cells)} ${Math.floor(done * 100)} %`;
  }
}

/** Rows in a second, in the unit that reads best. */
export function formatRate(rows: number, seconds: number): string {
  const rate = seconds > 0 ? rows / seconds : 0;
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(1)} M rows/s`;
  if (rate >= 1e3) return `${(rate / 1e3).toFixed(1)} k rows/s`;
  return `${rate.toFixed(0)} rows/s`;
}
