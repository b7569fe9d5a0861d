import type { CommitReceipt } from '../core/receipt.ts';
import { type DeltaOptions, deltaPath, withQuery } from './delta-request.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { findDeltaColumnTypes } from './ingest-column-types.ts';
import { createOutgoingStream } from './ingest-encode.ts';
import { sendOverHttp } from './ingest-http.ts';
import { type InputFormat, openInputs } from './ingest-input.ts';
import { SendFailure } from './ingest-send.ts';
import { formatCount, paint, writeJson } from './output.ts';
import { readConnection } from './server-connection.ts';

/** Options of `arrowport delta write` and `arrowport delta merge`. */
export interface LoadOptions extends DeltaOptions {
  readonly format?: InputFormat;
  readonly idempotencyKey?: string;
  readonly mode?: string;
  readonly predicate?: string;
  readonly partitionBy?: readonly string[];
  readonly schemaMode?: string;
  readonly on?: readonly string[];
  readonly whenMatched?: string;
  readonly whenNotMatched?: string;
}

/** Sends files as one load to a table, or to what is below its path. Throws a refused or unreachable failure. */
export async function loadTable(
  table: string,
  files: readonly string[],
  below: string,
  options: LoadOptions,
  host: CliHost,
): Promise<void> {
  const path = deltaPath(table, below);
  if (files.filter((file) => file === '-').length > 1) {
    throw new CliFailure('usage', 'standard input can be read once: name - once');
  }
  const server = readConnection(options, host);
  const connection = withQuery(server, {
    mode: options.mode,
    predicate: options.predicate,
    partition_by: options.partitionBy?.join(','),
    schema_mode: options.schemaMode,
    on: options.on?.join(','),
    when_matched: options.whenMatched,
    when_not_matched: options.whenNotMatched,
  });
  const findColumnTypes = () => findDeltaColumnTypes(table, server);
  const { inputs, close } = await openInputs(files, { format: options.format, findColumnTypes }, host);
  try {
    const source = createOutgoingStream(inputs, {
      batchRows: null,
      asked: null,
      compression: { codec: 'zstd', level: 3 },
    });
    const receipt = await sendOverHttp({
      connection,
      stream: table,
      path,
      source,
      idempotencyKey: options.idempotencyKey ?? null,
      onSent: () => {},
    });
    writeReceipt(receipt, options, host);
  } catch (error) {
    throw error instanceof SendFailure ? error.failure : error;
  } finally {
    await close();
  }
}

function writeReceipt(receipt: CommitReceipt, options: LoadOptions, host: CliHost): void {
  if (options.json === true) {
    writeJson(host.stdout, receipt);
    return;
  }
  const sign = paint(host.stdout, 'green', receipt.replayed ? 'already committed:' : 'committed:');
  const rows = `${formatCount(host.stdout, receipt.rows_processed)} ${receipt.rows_processed === 1 ? 'row' : 'rows'}`;
  host.stdout.write(`${sign} ${rows} in ${receipt.table}, version ${receipt.version}\n`);
}
