import type { PartitionValues } from '../../../core/parquet-writer.ts';
import { type ArrowField, describeType } from '../../../core/schema.ts';
import { ArrowportError } from '../../../errors.ts';
import { quoteIdentifier } from '../identifier.ts';
import { sqlTypeOf } from './coverage.ts';

/** Whether the values of a column of this type have one text each, which says them exactly. */
export function coversPartition({ type }: ArrowField): boolean {
  switch (type.kind) {
    case 'bool':
    case 'int':
    case 'decimal':
    case 'utf8':
      return true;
    case 'date':
      return type.unit === 'day';
    case 'timestamp':
      return type.unit === 'microsecond';
    default:
      return false;
  }
}

/**
 * The SQL expression for the text of a column's value, null for null.
 * @see https://github.com/delta-io/delta/blob/master/PROTOCOL.md#partition-value-serialization
 */
export function partitionText(column: ArrowField): string {
  const value = `CAST(${quoteIdentifier(column.name)} AS ${sqlTypeOf(column)})`;
  const { type } = column;
  if (type.kind !== 'timestamp') return `CAST(${value} AS VARCHAR)`;
  // Without a time zone the text does not depend on where the server is.
  const utc = type.timezone === null ? value : `make_timestamp(epoch_us(${value}))`;
  return `strftime(${utc}, '%Y-%m-%d %H:%M:%S.%f')`;
}

const timeText = /^(?!0000)\d{4}-\d\d-\d\d( |$)/;
/** delta-rs reads the digits behind the point as a number of their own, with a sign. */
const negativeText = /^-.*\./;

/** Throws TYPE_UNSUPPORTED for values that no reader, or not every one, understands as what they are. */
export function checkPartitionValues(columns: readonly ArrowField[], values: PartitionValues): void {
  for (const [index, column] of columns.entries()) {
    const value = values[index] ?? null;
    const { kind } = column.type;
    if (value === null) continue;
    if ((kind === 'date' || kind === 'timestamp') && !timeText.test(value)) {
      throw refusal(column, 'its year is not one of 1 to 9999');
    }
    if (kind === 'decimal' && negativeText.test(value)) {
      throw refusal(column, 'negative decimals are not read back');
    }
  }
}

function refusal(column: ArrowField, why: string): ArrowportError {
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `Delta cannot hold a value of column ${JSON.stringify(column.name)} of type ${describeType(column)} as that of a partition: ${why}.`,
    { details: { column: column.name } },
  );
}
