import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeBatch } from '../../../src/arrow/decode-batch.ts';
import { createDictionaryStore } from '../../../src/arrow/dictionary-store.ts';
import type { BodyCompression } from '../../../src/arrow/encode-body.ts';
import { createArrayGatherer, plainField } from '../../../src/arrow/encode-gatherer.ts';
import { openIpcBody } from '../../../src/arrow/ipc-reader.ts';
import {
  type EncodedMessage,
  encodeDictionaryBatchMessage,
  encodeRecordBatchMessage,
  encodeSchemaMessage,
  endOfStream,
  frameMetadata,
} from '../../../src/arrow/stream-writer.ts';
import type { ArrayData } from '../../../src/core/array-data.ts';
import type { StreamResources } from '../../../src/core/ingest.ts';
import type { ArrowField } from '../../../src/core/schema.ts';
import { arrowBytes } from '../../support/arrow.ts';
import { corpusFolder, skipWithoutCorpus } from '../../support/corpus.ts';
import { runPythonJson, skipWithoutPython } from '../../support/python.ts';
import { makeTempFolder } from '../../support/temp-folder.ts';

const resources: StreamResources = {
  allocator: { allocate: (length) => ({ bytes: Buffer.allocUnsafeSlow(length), release: () => undefined }) },
  limits: { maxMessageBytes: 2 ** 31, maxDecompressedRatio: 10_000 },
};

/** 100 rows of every type, with nulls and without, in batches of 37. */
const everyType = `
import datetime, decimal
n = 100
def with_nulls(values, type): return pa.array([None if i % 5 == 3 else v for i, v in enumerate(values)], type)
rng = range(n)
columns = {}
for t in [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]:
    columns[str(t)] = with_nulls(rng, t)
    columns[str(t) + ' full'] = pa.array(rng, t)
columns['half'] = with_nulls([np.float16(i) for i in rng], pa.float16())
columns['float'] = with_nulls([i / 3 for i in rng], pa.float32())
columns['double'] = with_nulls([i / 3 for i in rng], pa.float64())
columns['bool'] = with_nulls([i % 3 == 0 for i in rng], pa.bool_())
columns['bool full'] = pa.array([i % 7 == 0 for i in rng])
texts = ['x' * (i % 30) + str(i) for i in rng]
for t in [pa.string(), pa.large_string(), pa.string_view()]:
    columns[str(t)] = with_nulls(texts, t)
for t in [pa.binary(), pa.large_binary(), pa.binary_view()]:
    columns[str(t)] = with_nulls([s.encode() for s in texts], t)
columns['fixed'] = with_nulls([str(i).zfill(5).encode() for i in rng], pa.binary(5))
for t in [pa.decimal32(7, 2), pa.decimal64(15, 3), pa.decimal128(30, 5), pa.decimal256(60, 10)]:
    columns[str(t)] = with_nulls([decimal.Decimal(i - 50) for i in rng], t)
columns['date32'] = with_nulls(rng, pa.date32())
columns['date64'] = with_nulls([i * 86400000 for i in rng], pa.date64())
for t in [pa.time32('s'), pa.time32('ms'), pa.time64('us'), pa.time64('ns')]: columns[str(t)] = with_nulls(rng, t)
for u in ['s', 'ms', 'us', 'ns']:
    columns['timestamp ' + u] = with_nulls(rng, pa.timestamp(u))
    columns['timestamp tz ' + u] = with_nulls(rng, pa.timestamp(u, 'Europe/Berlin'))
    columns['duration ' + u] = with_nulls(rng, pa.duration(u))
columns['interval'] = with_nulls([(i, i * 2, i * 3) for i in rng], pa.month_day_nano_interval())
lists = [list(range(i % 4)) if i % 6 else [None, 1] for i in rng]
for t in [pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.list_view(pa.int32()), pa.large_list_view(pa.int32())]:
    columns[str(t)] = with_nulls(lists, t)
columns['fixed list'] = with_nulls([[i, None, i + 1] for i in rng], pa.list_(pa.int16(), 3))
struct = pa.struct([pa.field('a', pa.int32()), pa.field('b', pa.string()), pa.field('c', pa.list_(pa.bool_()))])
columns['struct'] = with_nulls([{'a': i, 'b': str(i), 'c': [True] * (i % 3)} for i in rng], struct)
columns['list of structs'] = with_nulls([[{'a': i, 'b': None, 'c': None}] * (i % 3) for i in rng], pa.list_(struct))
columns['map'] = with_nulls([[(str(k), k) for k in range(i % 3)] for i in rng], pa.map_(pa.string(), pa.int32()))
columns['null'] = pa.nulls(n)
columns['dictionary'] = with_nulls([str(i % 4) for i in rng], pa.string()).dictionary_encode()
columns['list of dictionaries'] = pa.array([['a', None, 'b'][: i % 4] for i in rng], pa.list_(pa.dictionary(pa.int8(), pa.string())))
columns['runs'] = pa.RunEndEncodedArray.from_arrays(pa.array([10, 40, 77, 100], pa.int32()), pa.array(['a', None, 'b', 'c']))
types = pa.array([i % 2 for i in rng], pa.int8())
ints, strings = pa.array(rng, pa.int64()), pa.array([str(i) for i in rng])
columns['sparse union'] = pa.UnionArray.from_sparse(types, [ints, strings])
columns['dense union'] = pa.UnionArray.from_dense(types, pa.array([i // 2 for i in rng], pa.int32()), [ints, strings])
table = pa.table(columns).replace_schema_metadata({'key': 'value'})
`;

interface Rewriting {
  readonly compression: BodyCompression;
  /** Rows of each batch; null keeps batches and encodings as they are. */
  readonly batchRows: number | null;
}

async function rewrite(bytes: Uint8Array, { compression, batchRows }: Rewriting): Promise<Buffer> {
  const stream = await openIpcBody(once(bytes), 'stream', resources);
  const { fields, metadata } = stream.schema;
  const dictionaries = createDictionaryStore(stream.schema, resources.limits);
  const written = batchRows === null ? fields : fields.map(plainField);
  const parts: Uint8Array[] = [frameMetadata(encodeSchemaMessage({ fields: written, metadata }))];
  const write = (message: EncodedMessage) => parts.push(frameMetadata(message.metadata), message.body);
  const writeBatch = async (columns: readonly ArrayData[], rows: number) => {
    write(await encodeRecordBatchMessage(columns, rows, compression));
  };
  const gatherers = fields.map(createArrayGatherer);
  const takeBatch = () => gatherers.map((gatherer) => gatherer.take());
  let rows = 0;
  for await (const message of stream.messages) {
    if (message.kind === 'dictionary-batch') {
      await dictionaries.apply(message);
      continue;
    }
    const columns = await decodeBatch(message, fields, dictionaries, resources.limits);
    const { length } = message.header;
    if (batchRows === null) {
      for (const [id, values] of collectDictionaries(columns)) {
        write(await encodeDictionaryBatchMessage(id, values, compression));
      }
      await writeBatch(columns, length);
      continue;
    }
    for (let from = 0; from < length; ) {
      const to = Math.min(length, from + batchRows - rows);
      columns.forEach((column, index) => {
        gatherers[index]?.append(column, from, to);
      });
      rows += to - from;
      from = to;
      if (rows === batchRows) {
        await writeBatch(takeBatch(), rows);
        rows = 0;
      }
    }
  }
  if (rows > 0) await writeBatch(takeBatch(), rows);
  return Buffer.concat([...parts, endOfStream]);
}

function collectDictionaries(columns: readonly ArrayData[]): Map<bigint, ArrayData> {
  const found = new Map<bigint, ArrayData>();
  const visit = (array: ArrayData) => {
    const { dictionary } = array;
    const encoding: ArrowField['dictionary'] = array.field.dictionary;
    if (encoding !== null && dictionary !== null) {
      // Values may hold dictionaries of their own, which go before.
      visit(dictionary);
      found.set(encoding.id, dictionary);
    }
    array.children.forEach(visit);
  };
  columns.forEach(visit);
  return found;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const compare = `
import json, sys, pyarrow as pa
def read(path):
    reader = pa.ipc.open_stream(path)
    batches = [batch for batch in reader]
    return reader.schema, [batch.num_rows for batch in batches], pa.Table.from_batches(batches, reader.schema)
def same(a, b):
    if a.type == b.type and a.equals(b): return True
    return repr(a.to_pylist()) == repr(b.to_pylist())
def compare(wanted_path, found_path, is_exact):
    wanted_schema, _, wanted = read(wanted_path)
    found_schema, sizes, found = read(found_path)
    found.validate(full=True)
    differences = []
    if wanted.num_rows != found.num_rows: differences.append('%d rows, wanted %d' % (found.num_rows, wanted.num_rows))
    if (wanted_schema.metadata or {}) != (found_schema.metadata or {}): differences.append('metadata')
    for i, field in enumerate(wanted_schema):
        type = found_schema.field(i).type
        if is_exact and type != field.type: differences.append('%s is %s, wanted %s' % (field.name, type, field.type))
        if not same(wanted.column(i), found.column(i)): differences.append('%s has other values' % field.name)
    return {'differences': differences, 'sizes': sizes}
print(json.dumps([compare(*pair) for pair in json.load(sys.stdin)]))
`;

interface Pair {
  readonly wanted: Uint8Array;
  readonly found: Uint8Array;
  /** Whether types are compared too: dictionaries and runs may have become their values otherwise. */
  readonly isExact: boolean;
}

interface Comparison {
  readonly differences: readonly string[];
  /** Rows of each batch found. */
  readonly sizes: readonly number[];
}

async function compareStreams(folder: string, pairs: readonly Pair[]): Promise<Comparison[]> {
  const written = pairs.map(({ wanted, found, isExact }, index) => {
    const paths = [join(folder, `${index}.wanted`), join(folder, `${index}.found`)] as const;
    writeFileSync(paths[0], wanted);
    writeFileSync(paths[1], found);
    return [...paths, isExact];
  });
  return runPythonJson(compare, [], { input: JSON.stringify(written) });
}

for (const codec of [null, 'zstd', 'lz4-frame'] as const) {
  test(`every type is written as it was read, with codec ${codec ?? 'none'}`, {
    skip: skipWithoutPython,
  }, async (t) => {
    const wanted = await arrowBytes(everyType, { batchRows: 37 });
    const found = await rewrite(wanted, { compression: { codec, level: 1 }, batchRows: null });
    const answers = await compareStreams(makeTempFolder(t), [{ wanted, found, isExact: true }]);
    assert.deepEqual(answers, [{ differences: [], sizes: [37, 37, 26] }]);
  });
}

for (const batchRows of [1, 7, 64, 1000]) {
  test(`every type is gathered to batches of ${batchRows} rows`, { skip: skipWithoutPython }, async (t) => {
    const wanted = await arrowBytes(everyType, { batchRows: 37, codec: 'zstd' });
    const found = await rewrite(wanted, { compression: { codec: null }, batchRows });
    const answers = await compareStreams(makeTempFolder(t), [{ wanted, found, isExact: false }]);
    const sizes = Array.from({ length: Math.floor(100 / batchRows) }, () => batchRows);
    if (100 % batchRows !== 0) sizes.push(100 % batchRows);
    assert.deepEqual(answers, [{ differences: [], sizes }]);
  });
}

test('the gold corpus is written as it was read', {
  skip: skipWithoutCorpus || skipWithoutPython,
}, async (t) => {
  const files = await readdir(corpusFolder, { recursive: true });
  const streams = files.filter((file) => file.endsWith('.stream'));
  assert.ok(streams.length > 0);
  const pairs: Pair[] = [];
  const names: string[] = [];
  for (const file of streams) {
    const wanted = await readFile(join(corpusFolder, file));
    for (const batchRows of [null, 3]) {
      const found = await rewrite(wanted, { compression: { codec: 'zstd', level: 1 }, batchRows });
      pairs.push({ wanted, found, isExact: batchRows === null });
      names.push(`${file}, ${batchRows ?? 'the same'} rows`);
    }
  }
  const answers = await compareStreams(makeTempFolder(t), pairs);
  const differing = answers.flatMap(({ differences }, index) =>
    differences.map((difference) => `${names[index]}: ${difference}`),
  );
  assert.deepEqual(differing, []);
});
