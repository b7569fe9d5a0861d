import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../support/repository.ts';
import { type Import, readImports, readSources } from './source-files.ts';

/** A room of the house: the files it holds and what they may import besides each other. */
interface Room {
  readonly name: string;
  /** A file belongs to the first room whose pattern matches its path under `src/`. */
  readonly files: RegExp;
  readonly mayImport: readonly string[];
}

const ground = ['core'];
const tools = [...ground, 'auth', 'arrow', 'router', 'processes', 'telemetry', 'component config'];

const rooms: readonly Room[] = [
  { name: 'core', files: /^(core\/|errors\.ts$)/, mayImport: [] },
  { name: 'config', files: /^config\//, mayImport: tools },
  { name: 'component config', files: /\/config\.ts$/, mayImport: [...ground, 'router'] },
  { name: 'auth', files: /^auth\//, mayImport: [...ground, 'router', 'component config'] },
  { name: 'arrow', files: /^arrow\//, mayImport: [...ground, 'component config'] },
  { name: 'router', files: /^router\//, mayImport: [...ground, 'component config'] },
  { name: 'processes', files: /^processes\//, mayImport: [...ground, 'component config'] },
  { name: 'telemetry', files: /^telemetry\//, mayImport: [...ground, 'component config'] },
  { name: 'ingest', files: /^ingest\//, mayImport: tools },
  { name: 'backends/duckdb', files: /^backends\/duckdb\//, mayImport: tools },
  { name: 'backends/delta', files: /^backends\/delta\//, mayImport: tools },
  {
    name: 'backends',
    files: /^backends\/[^/]+\.ts$/,
    mayImport: [...tools, 'backends/duckdb', 'backends/delta'],
  },
  { name: 'endpoints/http', files: /^endpoints\/http\//, mayImport: [...tools, 'ingest'] },
  { name: 'endpoints/flight', files: /^endpoints\/flight\//, mayImport: [...tools, 'ingest'] },
  {
    name: 'endpoints/flight-sql',
    files: /^endpoints\/flight-sql\//,
    mayImport: [...tools, 'ingest', 'endpoints/flight'],
  },
  { name: 'endpoints', files: /^endpoints\/[^/]+\.ts$/, mayImport: tools },
  {
    name: 'composition',
    files: /^(arrowport\.ts$|composition\/)/,
    mayImport: [
      ...tools,
      'config',
      'ingest',
      'backends',
      'backends/duckdb',
      'backends/delta',
      'endpoints',
      'endpoints/http',
      'endpoints/flight',
      'endpoints/flight-sql',
    ],
  },
  { name: 'library', files: /^index\.ts$/, mayImport: ['core', 'config', 'composition'] },
  {
    name: 'cli',
    files: /^(cli\/|main\.ts$)/,
    mayImport: ['core', 'auth', 'config', 'arrow', 'composition', 'library'],
  },
];

/** Single imports that a decision record allows beside the rooms' rules, with the record. */
const allowances: readonly { readonly from: string; readonly target: RegExp; readonly record: string }[] = [
  {
    from: 'src/cli/ingest-flight.ts',
    target: /^src\/endpoints\/flight\/(messages|status|wire)\.ts$/,
    record: 'docs/decisions/0008-the-ingest-command.md',
  },
  {
    from: 'src/cli/ingest-input.ts',
    target: /^src\/backends\/duckdb\/(file-reader|arrow-result)\.ts$/,
    record: 'docs/decisions/0008-the-ingest-command.md',
  },
];

/** Packages and Node modules that have one home, with the paths under `src/` that are it. */
const homes: Readonly<Record<string, RegExp>> = {
  koffi: /^backends\/duckdb\//,
  '@duckdb/node-api': /^backends\/duckdb\//,
  '@duckdb/node-bindings': /^backends\/duckdb\//,
  flatbuffers: /^arrow\//,
  'lz4-napi': /^arrow\//,
  pino: /^telemetry\//,
  'pino-pretty': /^telemetry\//,
  'prom-client': /^telemetry\//,
  fastify: /^endpoints\/http\//,
  '@fastify/swagger': /^endpoints\/http\//,
  '@grpc/grpc-js': /^(endpoints\/flight|cli)\//,
  protobufjs: /^(endpoints\/flight|endpoints\/flight-sql|cli)\//,
  jose: /^auth\//,
  zod: /(^config\/|\/config\.ts$)/,
  yaml: /^config\//,
  commander: /^cli\//,
  'cli-table3': /^cli\//,
  ulid: /^(ingest|endpoints\/[^/]+|backends\/[^/]+|core)\//,
  'node:child_process': /^(processes|cli)\//,
  'node:worker_threads': /^backends\/duckdb\//,
};

const sources = readSources();
const underSource = (path: string) => path.replace(/^src\//, '');

function findRoom(path: string): Room {
  const room = rooms.find(({ files }) => files.test(underSource(path)));
  assert.ok(room, `${path} is in no room of the house: give it one in test/house/imports.test.ts`);
  return room;
}

function isAllowed({ from, target }: Import): boolean {
  return allowances.some((allowance) => allowance.from === from && allowance.target.test(target));
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

const allImports: readonly Import[] = sources.flatMap(readImports);

test('every import of a file names one that exists', () => {
  const missing = allImports
    .filter(({ isPackage, target }) => !isPackage && !existsSync(join(repositoryRoot, target)))
    .map(({ from, target }) => `${from} imports ${target}`);
  assert.deepEqual(missing, []);
});

test('a room imports only the rooms that the house allows it', () => {
  const wrong = allImports
    .filter(({ isPackage }) => !isPackage)
    .filter((found) => !isAllowed(found))
    .filter(({ from, target }) => {
      const room = findRoom(from);
      const other = findRoom(target);
      return room !== other && !room.mayImport.includes(other.name);
    })
    .map(
      ({ from, target }) => `${from} (${findRoom(from).name}) imports ${target} (${findRoom(target).name})`,
    );
  assert.deepEqual(wrong, []);
});

test('every allowance beside the rules is used and has its record', () => {
  for (const allowance of allowances) {
    assert.ok(existsSync(join(repositoryRoot, allowance.record)), allowance.record);
    assert.ok(
      allImports.some((found) => found.from === allowance.from && allowance.target.test(found.target)),
      `${allowance.from} does not need its allowance`,
    );
  }
});

test('a package is imported only in its home', () => {
  const wrong = allImports
    .filter(({ isPackage, target }) => isPackage && !builtinModules.includes(target))
    .filter(({ from, target }) => {
      const home = homes[packageOf(target)];
      return home === undefined ? !target.startsWith('node:') : !home.test(underSource(from));
    })
    .map(({ from, target }) => `${from} imports ${target}`);
  assert.deepEqual(wrong, []);
});

test('Node modules are imported by their node: names', () => {
  const wrong = allImports
    .filter(
      ({ isPackage, target }) => isPackage && builtinModules.includes(target) && !target.startsWith('node:'),
    )
    .map(({ from, target }) => `${from} imports ${target}`);
  assert.deepEqual(wrong, []);
});

test('no file imports itself by way of others', () => {
  const edges = new Map<string, readonly string[]>(
    sources.map((file) => [
      file.path,
      readImports(file)
        .filter(({ isPackage }) => !isPackage)
        .map(({ target }) => target),
    ]),
  );
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (finished.has(path)) return;
    const start = trail.indexOf(path);
    if (start >= 0) {
      cycles.push([...trail.slice(start), path].join(' -> '));
      return;
    }
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});
