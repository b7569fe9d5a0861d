import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coversColumns } from '../../../src/backends/duckdb/parquet/coverage.ts';
import type { ArrowField, ArrowType } from '../../../src/core/schema.ts';

function field(name: string, type: ArrowType, children: readonly ArrowField[] = []): ArrowField {
  return { name, type, nullable: true, children, dictionary: null, metadata: new Map() };
}

const covers = (from: ArrowField, to: ArrowField) =>
  coversColumns({ fields: [from], metadata: new Map() }, [to]);

test('bytes of a fixed width are left to DuckDB at the top alone: under a null struct it keeps their value', () => {
  const fixed = field('f', { kind: 'fixed-size-binary', byteWidth: 5 });
  const bytes = field('f', { kind: 'binary' });
  assert.equal(covers(fixed, bytes), true);
  for (const [inner, covered] of [
    [fixed, false],
    [bytes, true],
  ] as const) {
    const struct = field('s', { kind: 'struct' }, [inner]);
    const target = field('s', { kind: 'struct' }, [bytes]);
    assert.equal(covers(struct, target), covered);
    const list = field('l', { kind: 'list' }, [struct]);
    assert.equal(covers(list, field('l', { kind: 'list' }, [target])), covered);
  }
});
