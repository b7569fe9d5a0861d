/** Numbers and units, as Delta writes lengths of time; months are none. */
const INTERVAL =
  /^(?:interval\s+)?\d{1,9}\s+(?:microsecond|millisecond|second|minute|hour|day|week)s?(?:\s+\d{1,9}\s+(?:second|minute|hour|day)s?)*$/i;
const FLAG = /^(?:true|false)$/i;

interface Rule {
  readonly pattern: RegExp;
  readonly expected: string;
}

const flag: Rule = { pattern: FLAG, expected: 'true or false' };
const interval: Rule = { pattern: INTERVAL, expected: 'a length of time, such as "interval 7 days"' };

/** Every property that delta-rs takes. It takes their values unread, and other readers of the table stumble over wrong ones. */
const RULES: Readonly<Record<string, Rule>> = {
  'delta.appendOnly': flag,
  'delta.autoOptimize.autoCompact': flag,
  'delta.autoOptimize.optimizeWrite': flag,
  'delta.checkpoint.writeStatsAsJson': flag,
  'delta.checkpoint.writeStatsAsStruct': flag,
  'delta.enableChangeDataFeed': flag,
  'delta.enableDeletionVectors': flag,
  'delta.enableExpiredLogCleanup': flag,
  'delta.randomizeFilePrefixes': flag,
  'delta.checkpointInterval': { pattern: /^0*[1-9]\d{0,8}$/, expected: 'a whole number from 1 on' },
  'delta.checkpointPolicy': { pattern: /^(?:classic|v2)$/, expected: 'classic or v2' },
  'delta.columnMapping.mode': { pattern: /^(?:none|name|id)$/, expected: 'none, name or id' },
  'delta.dataSkippingNumIndexedCols': { pattern: /^(?:-1|\d{1,9})$/, expected: 'a whole number from -1 on' },
  'delta.dataSkippingStatsColumns': { pattern: /./, expected: 'names of columns, separated by commas' },
  'delta.deletedFileRetentionDuration': interval,
  'delta.isolationLevel': {
    pattern: /^(?:Serializable|WriteSerializable|SnapshotIsolation)$/,
    expected: 'Serializable, WriteSerializable or SnapshotIsolation',
  },
  'delta.logRetentionDuration': interval,
  'delta.randomPrefixLength': { pattern: /^\d{1,3}$/, expected: 'a whole number' },
  'delta.setTransactionRetentionDuration': interval,
  'delta.targetFileSize': {
    pattern: /^[1-9]\d*\s*(?:[kmgt]?b)?$/i,
    expected: 'a size, such as 104857600 or "100mb"',
  },
  'delta.tuneFileSizesForRewrites': flag,
};

/** Follow from the features that a table uses; set by hand they make tables that nothing opens. */
const PROTOCOL = new Set(['delta.minReaderVersion', 'delta.minWriterVersion']);

/** What is wrong with a table property, as the end of a sentence about it; undefined where nothing is. */
export function findPropertyProblem(name: string, value: string): string | undefined {
  if (PROTOCOL.has(name)) return 'follows from the features of the table and cannot be set';
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
  if (rule === undefined) return 'is no property that delta-rs can set';
  return rule.pattern.test(value) ? undefined : `must be ${rule.expected}`;
}

/** Properties as Delta writes them: flags in small letters, whatever they were given in. */
export function normalizeProperties(properties: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name,
      Object.hasOwn(RULES, name) && RULES[name] === flag ? value.toLowerCase() : value,
    ]),
  );
}
