import { formatCell, readObject } from './delta-answer.ts';
import { type DeltaOptions, postVerb } from './delta-request.ts';
import { CliFailure } from './failure.ts';
import type { CliHost } from './host.ts';
import { formatCount, writeFields, writeJson, writeTable } from './output.ts';

/** Options of `arrowport delta vacuum`. */
export interface VacuumOptions extends DeltaOptions {
  readonly retentionHours?: number;
  readonly dryRun: boolean;
  readonly force?: boolean;
}

/** `arrowport delta vacuum TABLE`. */
export async function vacuumTable(table: string, options: VacuumOptions, host: CliHost): Promise<void> {
  const answer = await postVerb(options, host, table, 'vacuum', {
    ...(options.retentionHours === undefined ? {} : { retention_hours: options.retentionHours }),
    dry_run: options.dryRun,
    ...(options.force === true ? { force: true } : {}),
  });
  if (options.json === true) return writeJson(host.stdout, answer);
  const { files: listed, deleted, dry_run: isDryRun } = readObject(answer);
  const files = Array.isArray(listed) ? listed.map(String) : [];
  if (files.length > 0 || host.stdout.isTTY !== true) {
    writeTable(
      host.stdout,
      [{ title: 'file' }],
      files.map((file) => [file]),
    );
  }
  const count = (value: number) => `${formatCount(host.stderr, value)} ${value === 1 ? 'file' : 'files'}`;
  host.stderr.write(
    isDryRun === true
      ? `${count(files.length)} to delete; --no-dry-run deletes them\n`
      : `${count(typeof deleted === 'number' ? deleted : files.length)} deleted\n`,
  );
}

/** Options of `arrowport delta optimize`. */
export interface OptimizeOptions extends DeltaOptions {
  readonly targetSize?: number;
  readonly partition?: Readonly<Record<string, string>>;
}

/** `arrowport delta optimize TABLE`. */
export async function optimizeTable(table: string, options: OptimizeOptions, host: CliHost): Promise<void> {
  const body = {
    ...(options.targetSize === undefined ? {} : { target_size: options.targetSize }),
    ...(options.partition === undefined ? {} : { partition: options.partition }),
  };
  writeChange(await postVerb(options, host, table, 'optimize', body), options, host);
}

/** Options of `arrowport delta z-order`. */
export interface ZOrderOptions extends DeltaOptions {
  readonly columns: readonly string[];
  readonly targetSize?: number;
}

/** `arrowport delta z-order TABLE`. */
export async function zOrderTable(table: string, options: ZOrderOptions, host: CliHost): Promise<void> {
  const body = {
    columns: options.columns,
    ...(options.targetSize === undefined ? {} : { target_size: options.targetSize }),
  };
  writeChange(await postVerb(options, host, table, 'z-order', body), options, host);
}

/** `arrowport delta restore TABLE VERSION`, or `--timestamp`. */
export async function restoreTable(
  table: string,
  version: number | undefined,
  options: DeltaOptions & { readonly timestamp?: string },
  host: CliHost,
): Promise<void> {
  if ((version === undefined) === (options.timestamp === undefined)) {
    throw new CliFailure(
      'usage',
      'say what to restore: a version or --timestamp (see arrowport delta restore --help)',
    );
  }
  const body = version === undefined ? { timestamp: options.timestamp } : { version };
  writeChange(await postVerb(options, host, table, 'restore', body), options, host);
}

/** `arrowport delta checkpoint TABLE`. */
export async function checkpointTable(table: string, options: DeltaOptions, host: CliHost): Promise<void> {
  writeChange(await postVerb(options, host, table, 'checkpoint', {}), options, host);
}

/** `arrowport delta clean-log TABLE`. */
export async function cleanLog(table: string, options: DeltaOptions, host: CliHost): Promise<void> {
  writeChange(await postVerb(options, host, table, 'clean-log', {}), options, host);
}

/** One line for each figure; the engine's own come after the version. */
export function writeChange(answer: unknown, options: DeltaOptions, host: CliHost): void {
  if (options.json === true) {
    writeJson(host.stdout, answer);
    return;
  }
  const { metrics, ...rest } = readObject(answer);
  const figures = metrics === undefined ? {} : readObject(metrics);
  writeFields(
    host.stdout,
    Object.entries({ ...rest, ...figures }).map(([name, value]) => [name, formatCell(host, value)] as const),
  );
}
