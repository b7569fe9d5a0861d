import { ensureWorkerEnvironment, type WorkerEnvironment } from '../backends/delta/environment.ts';
import { cacheFolder } from '../config/cache-folder.ts';

/** What `setUpDeltaWorker` takes of the process it runs in. */
export interface SetupOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called with a line for people when something that takes time begins. */
  onProgress?(line: string): void;
}

/**
 * Makes the Delta worker's Python environment where the server looks for it, unless it is there: ahead of the
 * first load, as in an image. Throws BACKEND_UNAVAILABLE with one line that says what to do.
 */
export function setUpDeltaWorker(options: SetupOptions): Promise<WorkerEnvironment> {
  return ensureWorkerEnvironment({
    cacheFolder: cacheFolder(options.env),
    environment: options.env,
    python: options.env['ARROWPORT_DELTA_PYTHON'] || null,
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
}
