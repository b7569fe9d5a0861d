import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BodyCompression } from '../arrow/encode-body.ts';
import type { CommitReceipt } from '../core/receipt.ts';
import { readStreamName } from '../core/stream-name.ts';
import { ArrowportError } from '../errors.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { findColumnTypes } from './ingest-column-types.ts';
import { createOutgoingStream } from './ingest-encode.ts';
import { type InputFormat, inputFormats, openInputs } from './ingest-input.ts';
import { formatRate, IngestProgress } from './ingest-progress.ts';
import { SendFailure, type SendLoad, type SendRequest } from './ingest-send.ts';
import { formatBytes, formatCount, paint, writeJson } from './output.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  findEncryption,
  readConnection,
} from './server-connection.ts';

type Algorithm = 'zstd' | 'lz4' | 'none';

interface IngestOptions extends ConnectionOptions {
  readonly transport: 'http' | 'flight';
  readonly format?: InputFormat;
  readonly batchRows?: number;
  readonly compression?: Compression;
  readonly idempotencyKey?: string;
  readonly retries: number;
  readonly json?: boolean;
}

interface Compression {
  readonly algorithm: Algorithm;
  readonly level: number | null;
}

const longestRetryWaitMs = 30_000;

/** `arrowport ingest STREAM FILE…`. */
export function registerIngestCommand(program: Command, host: CliHost): void {
  addConnectionOptions(program.command('ingest'))
    .description(
      'send files to a stream as one load: Arrow (stream, file, Feather), Parquet, CSV, NDJSON, - for standard input',
    )
    .argument('<stream>', 'the stream to write to')
    .argument('<files...>', 'files of one schema; - is standard input')
    .addOption(new Option('--transport <name>', 'how to send').choices(['http', 'flight']).default('http'))
    .addOption(
      new Option('--format <format>', 'what the input is, where its bytes and name do not tell').choices(
        inputFormats,
      ),
    )
    .option(
      '--batch-rows <rows>',
      'rows of each record batch (Arrow input: as it is; else 122880)',
      readCount,
    )
    .option(
      '--compression <codec>',
      'zstd, lz4 or none, a level as in zstd:3 (Arrow input: as it is; else as ARROWPORT_COMPRESSION or ./arrowport.yaml says, then zstd:3)',
      readCompression,
    )
    .option('--idempotency-key <key>', 'commit this load once, however often it is sent')
    .option('--retries <number>', 'how often to send again what may be sent again', readRetries, 3)
    .option('--json', 'print the receipt as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ arrowport ingest sensors readings.parquet\n  $ zcat log.ndjson.gz | arrowport ingest logs - --format ndjson --transport flight',
    )
    .action((stream: string, files: readonly string[], options: IngestOptions) =>
      ingest(stream, files, options, host),
    );
}

async function ingest(
  stream: string,
  files: readonly string[],
  options: IngestOptions,
  host: CliHost,
): Promise<void> {
  readStreamName(stream);
  const connection = readConnection(options, host);
  if (files.filter((file) => file === '-').length > 1) {
    throw new CliFailure('usage', 'standard input can be read once: name - once');
  }
  const { inputs, findProgress, close } = await openInputs(
    files,
    { format: options.format, findColumnTypes: () => findColumnTypes(stream, connection) },
    host,
  );
  const progress = new IngestProgress(host.stderr, options.json === true, findProgress);
  try {
    const asked = options.compression === undefined ? null : toBodyCompression(options.compression);
    const source = createOutgoingStream(inputs, {
      batchRows: options.batchRows ?? null,
      asked,
      compression: asked ?? (await findDefaultCompression(stream, host)),
    });
    const startedAt = performance.now();
    const receipt = await sendWithRetries(
      {
        connection,
        stream,
        source,
        idempotencyKey: options.idempotencyKey ?? null,
        onSent: (rows, bytes) => progress.sent(rows, bytes),
      },
      options,
      progress,
      host,
    );
    progress.stop();
    printReceipt(receipt, (performance.now() - startedAt) / 1000, options, host);
  } finally {
    progress.stop();
    await close();
  }
}

async function sendWithRetries(
  request: SendRequest,
  options: IngestOptions,
  progress: IngestProgress,
  host: CliHost,
): Promise<CommitReceipt> {
  const send = await findTransport(options.transport);
  for (let attempt = 0; ; attempt += 1) {
    progress.start();
    try {
      return await send(request);
    } catch (thrown) {
      if (!(thrown instanceof SendFailure)) throw thrown;
      const encryption = thrown.outcome === 'rejected' ? undefined : await findEncryption(request.connection);
      if (encryption !== undefined) throw encryption;
      if (attempt >= options.retries || !mayRetry(thrown, request, attempt)) throw thrown.failure;
      const waitMs = Math.min(longestRetryWaitMs, thrown.retryAfterMs ?? 500 * 2 ** attempt);
      progress.stop();
      if (options.json !== true) {
        const text = `${thrown.message}; sending again in ${(waitMs / 1000).toFixed(1)} s`;
        host.stderr.write(`${paint(host.stderr, 'yellow', 'retry:')} ${text}\n`);
      }
      await sleep(waitMs);
    }
  }
}

async function findTransport(transport: IngestOptions['transport']): Promise<SendLoad> {
  if (transport === 'http') return (await import('./ingest-http.ts')).sendOverHttp;
  return (await import('./ingest-flight.ts')).sendOverFlight;
}

/** A load may be sent again when nothing of it was written, or when its key keeps it from being written twice. */
function mayRetry(failure: SendFailure, request: SendRequest, attempt: number): boolean {
  if (!request.source.rereadable) return false;
  if (failure.outcome === 'retryable') return true;
  // A server that is not there at first is an error to show; one that went away meanwhile may come back.
  if (failure.outcome === 'unsent') return attempt > 0;
  return failure.outcome === 'unknown' && request.idempotencyKey !== null;
}

function printReceipt(receipt: CommitReceipt, seconds: number, options: IngestOptions, host: CliHost): void {
  if (options.json === true) {
    writeJson(host.stdout, receipt);
    return;
  }
  const rows = receipt.rows_total ?? receipt.rows_processed;
  const batches = receipt.batches_total ?? receipt.batches;
  const facts = [
    `${formatCount(host.stdout, batches)} ${batches === 1 ? 'batch' : 'batches'}`,
    formatBytes(receipt.bytes),
    `${seconds.toFixed(2)} s`,
    formatRate(rows, seconds),
    `commit ${receipt.commit_id}`,
  ].join(', ');
  const sign = paint(host.stdout, 'green', receipt.replayed ? 'already committed:' : 'committed:');
  const what = `${formatCount(host.stdout, rows)} ${rows === 1 ? 'row' : 'rows'} in ${receipt.table} (${receipt.storage_backend})`;
  host.stdout.write(`${sign} ${what}: ${facts}\n`);
}

function toBodyCompression({ algorithm, level }: Compression): BodyCompression {
  return {
    codec: { zstd: 'zstd', lz4: 'lz4-frame', none: null }[algorithm] as BodyCompression['codec'],
    level,
  };
}

/** What the configuration here says of the stream; a configuration that is not meant for this machine is passed over. */
async function findDefaultCompression(stream: string, host: CliHost): Promise<BodyCompression> {
  const { loadConfig } = await import('../config/load.ts');
  try {
    const { config } = await loadConfig({ cwd: host.cwd, env: host.env });
    return toBodyCompression(config.streams[stream]?.compression ?? config.compression);
  } catch (error) {
    if (!(error instanceof ArrowportError)) throw error;
    const asked = host.env['ARROWPORT_COMPRESSION'] || 'zstd:3';
    const compression = findCompression(asked);
    if (compression !== undefined) return toBodyCompression(compression);
    throw new CliFailure('usage', `ARROWPORT_COMPRESSION is ${JSON.stringify(asked)}: ${compressionRule}`);
  }
}

const compressionRule = 'use zstd, lz4 or none, with a level as in zstd:3';

function readCompression(text: string): Compression {
  const compression = findCompression(text);
  if (compression === undefined) throw new InvalidArgumentError(`${compressionRule}.`);
  return compression;
}

function findCompression(text: string): Compression | undefined {
  const match = /^(zstd|lz4|none)(?::(\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const algorithm = match[1] as Algorithm;
  const level = match[2] === undefined ? null : Number(match[2]);
  if (level !== null && (algorithm === 'none' || level < 1 || level > 22)) return undefined;
  return { algorithm, level: level ?? (algorithm === 'zstd' ? 3 : null) };
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('use a whole number from 1 on.');
  return Number(text);
}

function readRetries(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('use a whole number from 0 on.');
  return Number(text);
}
