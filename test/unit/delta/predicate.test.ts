import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkPredicate } from '../../../src/backends/delta/predicate.ts';
import { ArrowportError } from '../../../src/errors.ts';

const allowed = [
  'id = 1',
  'true',
  `name LIKE 'a%' AND NOT (v BETWEEN 1 AND 2.5e3)`,
  `day IN ('mon', 'tue') OR day IS NULL`,
  `"select" = 'from' AND \`odd name\` <> ''`,
  `lower(trim(name)) = 'x' || 'y'`,
  `extract(year FROM ts) = 2024`,
  `ts >= timestamp '2024-01-01' - interval '1' day`,
  `cast(v AS decimal(10, 2)) > 3`,
  `CASE WHEN a > 1 THEN b ELSE c END IS DISTINCT FROM 4`,
  `it = 'it''s; -- not a comment'`,
  `nested.from = 1`,
  `größe > 1`,
  'a % 2 = 0 and b & 1 = 1',
  'array[1, 2][1] = least(a, b)',
  `lpad(cast(a AS varchar), 20, '0') || '-' || repeat('ab', 100) = replace(name, ' ', '_')`,
  `regexp_replace(name, '[^a-z]+', '-', 'g') = lower(concat(a, ' ', b)) and encode(sha256(name), 'hex') = ''`,
  `${'(a = 1) or '.repeat(1000)}upper(name) = 'X'`,
  `name = '${'x'.repeat(10_000)}' or concat(name, '${'y'.repeat(5000)}') in ('z')`,
  `id in (${Array.from({ length: 2000 }, (_, id) => id).join(', ')})`,
];

const refused = [
  '',
  '   ',
  '(select 1) = 1',
  'id in (select id from t)',
  'exists (select 1)',
  '1 = 1; drop table t',
  'id = 1 -- x',
  'id = /* x */ 1',
  `read_parquet('/etc/passwd') = 1`,
  'sum(v) > 1',
  'row_number() over () = 1',
  `"read_csv"('x')`,
  'a.evil(1)',
  'id = (1',
  'id = 1)',
  'id = 1, id = 2',
  `${'('.repeat(65)}true${')'.repeat(65)}`,
  `length(repeat('x', 1000000000)) = 1`,
  `length(repeat(repeat(name, 100), 100)) = 1`,
  'repeat(name, id) = name',
  `lpad(name, 100000, 'x') = ''`,
  `replace(name, 'a', '${'b'.repeat(300)}') = ''`,
  `replace(replace(name, 'a', '${'b'.repeat(20)}'), 'b', '${'c'.repeat(20)}') = ''`,
  `regexp_replace(name, '', repeat('x', 200)) = ''`,
  `${'encode(cast('.repeat(9)}name${" as binary), 'hex')".repeat(9)} = ''`,
  `concat(${Array(20).fill('rpad(name, 1000)').join(', ')}) = ''`,
  `${Array(300).fill('name').join(' || ')} = ''`,
  `${Array(3).fill('case when true then repeat(name, 100) end').join(' || ')} = ''`,
  `array[${Array(300).fill('name').join(', ')}][1] = ''`,
  `concat_ws('${'x'.repeat(1000)}', a, b, c, d, e, f) = ''`,
  `name = 'open`,
  'id = $1',
  'id = ?',
  `x = @y`,
  'with t as (values (1)) table t',
  'a union b',
  'x'.repeat(20_000),
];

describe('a predicate', () => {
  for (const text of allowed) {
    it(`may be ${text}`, () => checkPredicate('filter', text));
  }

  for (const text of refused) {
    it(`may not be ${text.slice(0, 40) || 'empty'}`, () => {
      assert.throws(
        () => checkPredicate('filter', text),
        (error: unknown) =>
          error instanceof ArrowportError &&
          error.code === 'OPTION_INVALID' &&
          error.message.startsWith('filter'),
      );
    });
  }

  it('that is nested as deep as may be is looked through quickly', () => {
    const nested = (open: string, close: string) => `${open.repeat(60)}name${close.repeat(60)} = ''`;
    checkPredicate('filter', nested("replace(name, 'sixteen letters.', ", ')'));
    checkPredicate('filter', nested('coalesce(name, ', ')'));
    checkPredicate('filter', nested('(', ')'));
  });

  it('of any characters is either allowed or refused, and quickly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        try {
          checkPredicate('filter', text);
        } catch (error) {
          assert.ok(error instanceof ArrowportError);
        }
      }),
    );
  });
});
