// Writes what the product is made of, as CycloneDX 1.5: `node scripts/sbom.mjs [FOLDER]` (sbom/ by default) makes
// npm.cdx.json from package-lock.json and delta-worker.cdx.json from the lock file of the worker's Python packages.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, 'sbom'));
const workerLocks = ['requirements.lock', 'duckdb-extension.lock'];
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function readLocked(path) {
  const text = readFileSync(join(root, 'src/backends/delta/worker', path), 'utf8').replaceAll('\\\n', ' ');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, packageName, packageVersion, marker = ''] =
        /^([\w.-]+)==([^\s;]+)(?:\s*;([^-]*))?/.exec(line) ?? [];
      const hashes = [...line.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].map(([, content]) => content);
      return { packageName, packageVersion, marker: marker.trim(), hashes };
    });
}

function toComponent({ packageName, packageVersion, marker, hashes }) {
  const purl = `pkg:pypi/${packageName}@${packageVersion}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name: packageName,
    version: packageVersion,
    purl,
    // One for each platform's wheel: the installer takes the one that fits and refuses any other.
    hashes: hashes.map((content) => ({ alg: 'SHA-256', content })),
    ...(marker === '' ? {} : { properties: [{ name: 'python:marker', value: marker }] }),
  };
}

mkdirSync(folder, { recursive: true });
const npmArguments = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--omit', 'dev'];
const npm = execFileSync('npm', npmArguments, {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 2 ** 26,
  stdio: ['ignore', 'pipe', 'ignore'],
});
writeFileSync(join(folder, 'npm.cdx.json'), npm);
const worker = {
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: { component: { type: 'application', name: `${name}-delta-worker`, version } },
  components: workerLocks.flatMap(readLocked).map(toComponent),
};
writeFileSync(join(folder, 'delta-worker.cdx.json'), `${JSON.stringify(worker, null, 2)}\n`);
const counted = `${JSON.parse(npm).components.length} npm packages and ${worker.components.length} Python packages`;
console.log(`${counted} in ${folder}`);
