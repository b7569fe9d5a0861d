import { join } from 'node:path';
import { repositoryRoot } from './repository.ts';

/** Where tests keep the Delta worker's environment: made once, before them, so that none waits for its packages. */
export const workerCacheFolder: string = join(repositoryRoot, 'node_modules', '.cache', 'arrowport-test');
