import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPropertyProblem, normalizeProperties } from '../../../src/core/delta-properties.ts';

test('properties that delta-rs takes pass with the values that readers of Delta understand', () => {
  const good: readonly (readonly [string, string])[] = [
    ['delta.appendOnly', 'true'],
    ['delta.enableChangeDataFeed', 'TRUE'],
    ['delta.checkpointInterval', '25'],
    ['delta.logRetentionDuration', 'interval 30 days'],
    ['delta.deletedFileRetentionDuration', 'interval 1 week'],
    ['delta.deletedFileRetentionDuration', 'interval 1 day 12 hours'],
    ['delta.dataSkippingNumIndexedCols', '-1'],
    ['delta.dataSkippingStatsColumns', 'id,`a b`'],
    ['delta.isolationLevel', 'Serializable'],
    ['delta.targetFileSize', '100mb'],
    ['delta.columnMapping.mode', 'name'],
  ];
  for (const [name, value] of good) assert.equal(findPropertyProblem(name, value), undefined, name);
});

test('values that would break the table for other readers are told with what they must be', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['delta.appendOnly', 'maybe', /true or false/],
    ['delta.checkpointInterval', '0', /from 1 on/],
    ['delta.checkpointInterval', 'often', /from 1 on/],
    ['delta.logRetentionDuration', '5', /interval 7 days/],
    ['delta.logRetentionDuration', 'interval 1 month', /interval 7 days/],
    ['delta.isolationLevel', 'none', /WriteSerializable/],
    ['delta.minReaderVersion', '3', /features of the table/],
    ['delta.nothing', '1', /no property/],
    ['owner', 'me', /no property/],
    ['constructor', 'x', /no property/],
  ];
  for (const [name, value, problem] of bad)
    assert.match(findPropertyProblem(name, value) ?? '', problem, name);
});

test('flags are written in small letters', () => {
  assert.deepEqual(normalizeProperties({ 'delta.appendOnly': 'True', 'delta.targetFileSize': '10MB' }), {
    'delta.appendOnly': 'true',
    'delta.targetFileSize': '10MB',
  });
});
