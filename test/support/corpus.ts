import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { repositoryRoot } from './repository.ts';

/** Absolute path of Arrow's gold corpus, which lies beside the checkout; it exists unless {@link skipWithoutCorpus}. */
export const corpusFolder = resolve(repositoryRoot, '..', 'shared', 'corpus');

/** The `skip` option of a test that reads the corpus: the reason where it is absent, else `false`. */
export const skipWithoutCorpus: string | false = existsSync(corpusFolder)
  ? false
  : 'the gold corpus is not beside this checkout (../shared/corpus)';
