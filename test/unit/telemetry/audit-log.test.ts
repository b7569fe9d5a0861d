import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AuditEvent } from '../../../src/core/audit.ts';
import { openAuditLog } from '../../../src/telemetry/audit-log.ts';
import { waitFor } from '../../support/patience.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const skipWithoutFullDevice = existsSync('/dev/full') ? false : 'there is no /dev/full';

function event(requestId: string, rest: Partial<AuditEvent> = {}): AuditEvent {
  return { caller: 'press', action: 'load', outcome: 'committed', requestId, transport: 'http', ...rest };
}

function open(t: TestContext, path: string) {
  const told: { level: string; fields: object; message: string }[] = [];
  const say = (level: string) => (fields: object | string, message?: string) =>
    void told.push({
      level,
      fields: typeof fields === 'string' ? {} : fields,
      message: message ?? String(fields),
    });
  const log = openAuditLog({ path, logger: { error: say('error'), info: say('info') } });
  t.after(() => log.close());
  return { log, told };
}

const requestIds = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { request_id: string }).request_id);

test('each event is one JSON line, in the file before record returns', (t) => {
  const path = join(makeTempFolder(t), 'audit.jsonl');
  const { log } = open(t, path);
  log.record(
    event('r1', { stream: 's', table: 't\n"', rows: 3, commitId: 'c1', version: 0, backend: 'delta' }),
  );
  const [line = '', rest] = readFileSync(path, 'utf8').split('\n');
  const { time, ...fields } = JSON.parse(line) as Record<string, unknown>;
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
  assert.deepEqual(fields, {
    caller: 'press',
    action: 'load',
    outcome: 'committed',
    stream: 's',
    table: 't\n"',
    storage_backend: 'delta',
    rows: 3,
    version: 0,
    commit_id: 'c1',
    transport: 'http',
    request_id: 'r1',
  });
  assert.equal(rest, '');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a file that is renamed away, deleted or cut to nothing is begun again with the next line', (t) => {
  const folder = makeTempFolder(t);
  const path = join(folder, 'audit.jsonl');
  const { log } = open(t, path);
  log.record(event('r1'));
  renameSync(path, `${path}.1`);
  log.record(event('r2'));
  assert.deepEqual([requestIds(`${path}.1`), requestIds(path)], [['r1'], ['r2']]);
  rmSync(path);
  log.record(event('r3'));
  assert.deepEqual(requestIds(path), ['r3']);
  truncateSync(path);
  log.record(event('r4'));
  assert.deepEqual(requestIds(path), ['r4']);
  appendFileSync(path, `${JSON.stringify({ request_id: 'other' })}\n`);
  log.record(event('r5'));
  assert.deepEqual(requestIds(path), ['r4', 'other', 'r5']);
});

test('a line that a crash cut off is ended before the next one', (t) => {
  const path = join(makeTempFolder(t), 'audit.jsonl');
  writeFileSync(path, '{"request_id":"whole"}\n{"request_id":"cut o');
  open(t, path).log.record(event('r1'));
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 3);
  assert.equal((JSON.parse(lines[2] ?? '') as { request_id: string }).request_id, 'r1');
});

test('a file that cannot be opened is told at the start', (t) => {
  const folder = makeTempFolder(t);
  assert.throws(
    () => open(t, join(folder, 'none', 'audit.jsonl')),
    /audit\.file cannot be opened: there is no such folder/,
  );
  assert.throws(() => open(t, folder), /audit\.file cannot be opened: this is a folder/);
});

test('a full disk loses no line: it is kept, told to the log, and written when there is room; nothing new may begin', {
  skip: skipWithoutFullDevice,
}, async (t) => {
  const folder = makeTempFolder(t);
  const path = join(folder, 'audit.jsonl');
  symlinkSync('/dev/full', path);
  const { log, told } = open(t, path);
  log.ensureWritable();
  for (const id of ['r1', 'r2', 'r3']) log.record(event(id));
  assert.throws(() => log.ensureWritable(), /nothing is changed without it/);
  assert.deepEqual(log.problems(), [
    'the audit log cannot be written: no space left on the device; lines that wait: 3',
  ]);
  assert.deepEqual(
    told.map(
      ({ fields }) => (JSON.parse((fields as { audit: string }).audit) as { request_id: string }).request_id,
    ),
    ['r1', 'r2', 'r3'],
  );
  const room = join(folder, 'room.jsonl');
  symlinkSync(room, `${path}.new`);
  renameSync(`${path}.new`, path);
  await waitFor('no problem', () => log.problems().length === 0);
  log.ensureWritable();
  log.record(event('r4'));
  assert.deepEqual(requestIds(room), ['r1', 'r2', 'r3', 'r4']);
});

test('a folder that goes away and comes back loses no line', async (t) => {
  const folder = join(makeTempFolder(t), 'logs');
  mkdirSync(folder);
  const path = join(folder, 'audit.jsonl');
  const { log } = open(t, path);
  rmSync(folder, { recursive: true });
  log.record(event('r1'));
  assert.match(log.problems().join(), /there is no such folder; lines that wait: 1/);
  mkdirSync(folder);
  await waitFor('no problem', () => log.problems().length === 0);
  assert.deepEqual(requestIds(path), ['r1']);
});

test('what looks like a token is hidden', (t) => {
  const path = join(makeTempFolder(t), 'audit.jsonl');
  const token = `arrowport_${'a'.repeat(43)}`;
  open(t, path).log.record(event(token, { stream: token }));
  assert.doesNotMatch(readFileSync(path, 'utf8'), /arrowport_a/);
});
