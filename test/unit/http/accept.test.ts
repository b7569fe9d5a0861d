import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRowAnswer } from '../../../src/endpoints/http/accept.ts';
import { toJsonArray } from '../../../src/endpoints/http/json-array.ts';

const arrow = 'application/vnd.apache.arrow.stream';

test('rows are Arrow where nothing else is wanted', () => {
  for (const accept of [undefined, '', ' ', '*/*', 'application/*', arrow, `text/html, ${arrow}`])
    assert.deepEqual(chooseRowAnswer(accept), { mediaType: arrow, format: 'arrow', asArray: false }, accept);
});

test('codecs of an Arrow range ask for compressed buffers', () => {
  assert.equal(chooseRowAnswer(`${arrow};codecs="zstd, lz4"`).compression, 'zstd');
  assert.equal(chooseRowAnswer(`${arrow}; codecs="lz4"; q=0.9, text/csv;q=0.1`).compression, 'lz4');
  assert.equal(chooseRowAnswer(`${arrow};codecs=brotli`).compression, undefined);
});

test('the range with the highest quality wins, the first of equals', () => {
  assert.equal(chooseRowAnswer('text/csv;q=0.2, application/json').mediaType, 'application/json');
  assert.equal(chooseRowAnswer('text/csv, application/json').mediaType, 'text/csv');
  assert.equal(chooseRowAnswer('TEXT/CSV;charset=utf-8').format, 'csv');
});

test('a form that is refused by name is not chosen for a wildcard', () => {
  assert.equal(chooseRowAnswer(`${arrow};q=0, */*`).mediaType, 'application/json');
  assert.equal(
    chooseRowAnswer(`${arrow};q=0, application/json;q=0, application/*`).mediaType,
    'application/x-ndjson',
  );
});

test('a header that allows no form of rows is refused', () => {
  for (const accept of ['text/html', 'text/csv;q=0', 'application/json;q=wrong'])
    assert.throws(() => chooseRowAnswer(accept), { code: 'NOT_ACCEPTABLE' }, accept);
});

async function arrayOf(chunks: readonly string[]): Promise<unknown> {
  async function* lines() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const parts: Uint8Array[] = [];
  for await (const part of toJsonArray(lines())) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString('utf8'));
}

test('lines of JSON become one array, wherever the chunks are cut', async () => {
  assert.deepEqual(await arrayOf([]), []);
  assert.deepEqual(await arrayOf(['{"a":1}\n{"a":"x\\ny"}\n']), [{ a: 1 }, { a: 'x\ny' }]);
  const text = '{"a":1}\n{"b":[2,3]}\n{"c":null}\n';
  for (let at = 0; at <= text.length; at++) {
    const cut = await arrayOf([text.slice(0, at), text.slice(at)]);
    assert.deepEqual(cut, [{ a: 1 }, { b: [2, 3] }, { c: null }], String(at));
  }
});
