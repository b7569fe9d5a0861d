import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { corpusFolder } from '../support/corpus.ts';
import { runPythonJson, testPython } from '../support/python.ts';
import { repositoryRoot } from '../support/repository.ts';
import { encodeStream, sampleColumns } from '../unit/arrow/stream-fixtures.ts';

/** A valid body that mutations start from. */
export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Larger bodies take too long for the ground that a mutation of them covers. */
const LARGEST_BYTES = 24 * 1024;

/**
 * Valid streams and files: some made here, one for every type, codec and layout where there is a Python with PyArrow,
 * and Arrow's gold corpus where it lies beside the checkout.
 */
export async function loadSeeds(): Promise<readonly Seed[]> {
  const own: Seed[] = [];
  for (const codec of [null, 'zstd', 'lz4-frame'] as const) {
    own.push({ name: `own/${codec ?? 'plain'}`, bytes: await encodeStream(sampleColumns(), codec) });
  }
  return [...own, ...(await loadTypes()), ...loadCorpus()].filter(
    ({ bytes }) => bytes.byteLength <= LARGEST_BYTES,
  );
}

async function loadTypes(): Promise<readonly Seed[]> {
  if (testPython === undefined) return [];
  const folder = join(
    repositoryRoot,
    'node_modules',
    '.cache',
    'arrowport-test',
    `fuzz-seeds-${process.pid}`,
  );
  mkdirSync(folder, { recursive: true });
  await runPythonJson(join(import.meta.dirname, 'seeds.py'), [folder]);
  return readFolder(folder, 'types');
}

function loadCorpus(): readonly Seed[] {
  if (!existsSync(corpusFolder)) return [];
  return readdirSync(corpusFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readFolder(join(corpusFolder, entry.name), entry.name));
}

function readFolder(folder: string, label: string): Seed[] {
  return readdirSync(folder)
    .filter((name) => /\.(stream|file|arrow_file)$/.test(name))
    .sort()
    .map((name) => ({ name: `${label}/${name}`, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
}
