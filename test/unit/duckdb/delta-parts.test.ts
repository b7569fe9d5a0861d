import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countParts, shareOutFiles } from '../../../src/backends/duckdb/delta-parts.ts';
import { readRowWise } from '../../../src/backends/duckdb/query/row-wise.ts';

const file = fc.record({
  path: fc.uuid(),
  partition: fc.constant([]),
  bytes: fc.integer({ min: 0, max: 1_000_000 }),
});

test('files are shared out whole, in their order, the same way each time', () => {
  fc.assert(
    fc.property(
      fc.array(file, { maxLength: 60 }),
      fc.integer({ min: 1, max: 2_000_000 }),
      (files, partBytes) => {
        const count = countParts(files, partBytes);
        assert.ok(count >= 1 && count <= Math.max(1, Math.min(16, files.length)));
        const parts = shareOutFiles(files, count);
        assert.deepEqual(parts.flat(), files);
        assert.ok(parts.every((part) => part.length > 0) && parts.length <= count);
        assert.deepEqual(shareOutFiles(files, count), parts);
      },
    ),
  );
});

test('a statement with a part that is not known is not taken for one that goes row by row', () => {
  const column = { class: 'COLUMN_REF', type: 'COLUMN_REF', column_names: ['a'] };
  const select = {
    type: 'SELECT_NODE',
    select_list: [column],
    from_table: { type: 'BASE_TABLE', schema_name: 'delta', table_name: 't' },
    aggregate_handling: 'STANDARD_HANDLING',
  };
  const functionsOf = (node: object) => readRowWise({ node })?.functions ?? null;
  const call = { class: 'FUNCTION', type: 'FUNCTION', function_name: 'Upper', children: [column] };
  assert.deepEqual(functionsOf(select), []);
  assert.deepEqual(functionsOf({ ...select, select_list: [call], where_clause: call }), ['upper']);
  const others = [
    { modifiers: [{ type: 'LIMIT_MODIFIER' }] },
    { group_expressions: [column] },
    { having: column },
    { qualify: column },
    { sample: {} },
    { cte_map: { map: [] } },
    { something_new: 1 },
    { aggregate_handling: 'FORCE_AGGREGATES' },
    { type: 'SET_OPERATION_NODE' },
    { from_table: { type: 'BASE_TABLE', table_name: 't', sample: {} } },
    { from_table: { type: 'TABLE_FUNCTION', function: call, with_ordinality: 'WITH_ORDINALITY' } },
    { select_list: [{ class: 'WINDOW', type: 'WINDOW_ROW_NUMBER' }] },
    { select_list: [{ class: 'SUBQUERY', type: 'SUBQUERY' }] },
    { where_clause: { class: 'SOMETHING_NEW' } },
  ];
  for (const other of others) assert.equal(functionsOf({ ...select, ...other }), null, JSON.stringify(other));
  assert.equal(readRowWise(null), null);
});
