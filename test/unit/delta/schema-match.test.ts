import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeltaStruct, DeltaType } from '../../../src/backends/delta/delta-schema.ts';
import { columnsOf, matchSchema } from '../../../src/backends/delta/schema-match.ts';
import type { ArrowField, ArrowSchema, ArrowType } from '../../../src/core/schema.ts';
import { ArrowportError } from '../../../src/errors.ts';

function field(name: string, type: ArrowType, children: readonly ArrowField[] = []): ArrowField {
  return { name, type, nullable: true, children, dictionary: null, metadata: new Map() };
}

const schemaOf = (...fields: readonly ArrowField[]): ArrowSchema => ({ fields, metadata: new Map() });
const int = (bitWidth: 8 | 16 | 32 | 64, signed = true): ArrowType => ({ kind: 'int', bitWidth, signed });
const float = (bitWidth: 16 | 32 | 64): ArrowType => ({ kind: 'float', bitWidth });
const decimal = (precision: number, scale: number): ArrowType => ({
  kind: 'decimal',
  precision,
  scale,
  bitWidth: 128,
});

function table(columns: Readonly<Record<string, DeltaType>>, nullable = true): DeltaStruct {
  return {
    type: 'struct',
    fields: Object.entries(columns).map(([name, type]) => ({ name, type, nullable, metadata: {} })),
  };
}

function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ArrowportError) return error.code;
    throw error;
  }
  return 'fits';
}

describe('a stream against a Delta table', () => {
  const cases: readonly (readonly [ArrowType, DeltaType, string])[] = [
    [int(8), 'long', 'fits'],
    [int(16), 'double', 'fits'],
    [int(32), 'float', 'SCHEMA_MISMATCH'],
    [int(64), 'double', 'SCHEMA_MISMATCH'],
    [int(8, false), 'byte', 'SCHEMA_MISMATCH'],
    [int(8, false), 'short', 'fits'],
    [int(32, false), 'long', 'fits'],
    [int(64, false), 'long', 'SCHEMA_MISMATCH'],
    [int(64, false), 'decimal(20,0)', 'fits'],
    [int(64), 'decimal(19,0)', 'fits'],
    [int(64), 'decimal(20,2)', 'SCHEMA_MISMATCH'],
    [float(16), 'float', 'fits'],
    [float(64), 'float', 'SCHEMA_MISMATCH'],
    [decimal(10, 2), 'decimal(12,4)', 'fits'],
    [decimal(10, 2), 'decimal(10,4)', 'SCHEMA_MISMATCH'],
    [{ kind: 'null' }, 'string', 'fits'],
    [{ kind: 'utf8-view' }, 'string', 'fits'],
    [{ kind: 'utf8' }, 'binary', 'SCHEMA_MISMATCH'],
    [{ kind: 'timestamp', unit: 'second', timezone: null }, 'timestamp_ntz', 'fits'],
    [{ kind: 'timestamp', unit: 'microsecond', timezone: 'Asia/Tokyo' }, 'timestamp', 'fits'],
    [{ kind: 'timestamp', unit: 'microsecond', timezone: null }, 'timestamp', 'SCHEMA_MISMATCH'],
    [{ kind: 'timestamp', unit: 'nanosecond', timezone: null }, 'timestamp_ntz', 'TYPE_UNSUPPORTED'],
  ];
  for (const [type, column, expected] of cases) {
    it(`of ${JSON.stringify(type)} and ${JSON.stringify(column)}: ${expected}`, () => {
      assert.equal(
        code(() => matchSchema(schemaOf(field('a', type)), table({ a: column }), false)),
        expected,
      );
    });
  }

  it('names every column that does not fit', () => {
    const schema = schemaOf(field('a', int(64)), field('b', { kind: 'utf8' }), field('z', int(8)));
    assert.throws(
      () => matchSchema(schema, table({ a: 'integer', b: 'long' }), false),
      /"a".*int64.*integer.*"b".*utf8.*long.*"z"/,
    );
  });

  it('tells what is new, what is wider and what is absent when the table may grow', () => {
    const schema = schemaOf(field('a', int(64)), field('z', int(8)));
    const match = matchSchema(schema, table({ a: 'integer', b: 'long' }), true);
    assert.deepEqual([match.added, match.widened, match.absent], [['z'], ['a'], ['b']]);
  });

  it('goes into structs by name', () => {
    const struct = field('s', { kind: 'struct' }, [field('y', int(8)), field('x', int(8))]);
    const column: DeltaType = table({ x: 'long', y: 'short' });
    const match = matchSchema(schemaOf(struct), table({ s: column }), false);
    assert.deepEqual(match.columns[0]?.type, column);
  });

  it('needs the columns that the table needs', () => {
    assert.equal(
      code(() => matchSchema(schemaOf(field('b', int(8))), table({ a: 'long', b: 'long' }, false), false)),
      'SCHEMA_MISMATCH',
    );
  });

  it('does not mistake another case for another column', () => {
    assert.equal(
      code(() => matchSchema(schemaOf(field('A', int(8))), table({ a: 'long' }), true)),
      'SCHEMA_MISMATCH',
    );
    assert.equal(
      code(() => columnsOf(schemaOf(field('A', int(8)), field('a', int(8))))),
      'SCHEMA_MISMATCH',
    );
  });

  it('makes no column of types that Delta has not', () => {
    for (const type of [
      int(64, false),
      { kind: 'null' },
      decimal(40, 0),
      decimal(5, -2),
      { kind: 'interval', unit: 'day-time' },
    ] as const) {
      assert.equal(
        code(() => columnsOf(schemaOf(field('a', type)))),
        'TYPE_UNSUPPORTED',
      );
    }
    assert.equal(
      code(() => columnsOf(schemaOf())),
      'SCHEMA_MISMATCH',
    );
  });
});
