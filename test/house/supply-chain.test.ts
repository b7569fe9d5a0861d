import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../support/repository.ts';
import { makeTempFolder } from '../support/temp-folder.ts';

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8');

interface Bill {
  readonly bomFormat: string;
  readonly components: readonly { name: string; version: string; hashes?: readonly unknown[] }[];
}

test('the bills of material name every package that is installed for use, with its version', (t) => {
  const folder = makeTempFolder(t);
  execFileSync(process.execPath, [join(repositoryRoot, 'scripts/sbom.mjs'), folder], { stdio: 'pipe' });
  const bill = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Bill;
  const npm = bill('npm.cdx.json');
  const worker = bill('delta-worker.cdx.json');
  assert.deepEqual([npm.bomFormat, worker.bomFormat], ['CycloneDX', 'CycloneDX']);
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  for (const [name, version] of Object.entries(dependencies)) {
    const unscoped = name.split('/').at(-1);
    assert.ok(
      npm.components.some(
        (component) => component.name.endsWith(unscoped ?? name) && component.version === version,
      ),
      `${name} ${version} is not in the bill`,
    );
  }
  assert.ok(worker.components.some(({ name }) => name === 'deltalake'));
  for (const { name, version, hashes } of worker.components) {
    assert.ok(name && version && (hashes?.length ?? 0) > 0, `${name} has no version or hash`);
  }
});

for (const path of [
  'src/backends/delta/worker/requirements.lock',
  'src/backends/delta/worker/duckdb-extension.lock',
  'scripts/audit-requirements.lock',
]) {
  test(`every requirement of ${path} is pinned with hashes`, () => {
    const lines = read(path)
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => line !== '' && !line.trimStart().startsWith('#'));
    assert.ok(lines.length > 0);
    for (const line of lines) assert.match(line, /^[\w.-]+==\S+( ;[^-]*)? .*--hash=sha256:/);
  });
}

test('what is passed over among known vulnerabilities says why and until when', () => {
  const { exceptions } = JSON.parse(read('scripts/audit-exceptions.json')) as {
    exceptions: readonly Readonly<Record<string, string>>[];
  };
  for (const exception of exceptions) {
    assert.deepEqual(Object.keys(exception).sort(), ['id', 'package', 'until', 'why']);
    assert.match(exception['until'] ?? '', /^\d{4}-\d{2}-\d{2}$/);
  }
});
