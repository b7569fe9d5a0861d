import type { ArrowField, ArrowSchema } from '../../../core/schema.ts';
import { foldCase, quoteIdentifier } from '../identifier.ts';

/** Extension types that DuckDB reads as types of its own, which are no binaries or integers any more. */
const ownExtensions = new Set(['arrow.uuid', 'arrow.bool8']);
const maxDecimalDigits = 38;

/**
 * Whether DuckDB writes a stream's columns as these columns with every value as it came. Maps are not among them, since
 * DuckDB refuses keys that are there twice, nor times whose values may be too far away for microseconds.
 */
export function coversColumns(schema: ArrowSchema, columns: readonly ArrowField[]): boolean {
  return (
    columns.length > 0 &&
    columns.every((column) => {
      const field = schema.fields.find(({ name }) => name === column.name);
      return field !== undefined && isName(field.name) && coversField(field, column);
    })
  );
}

function coversField(from: ArrowField, to: ArrowField): boolean {
  if (ownExtensions.has(from.metadata.get('ARROW:extension:name') ?? '')) return false;
  const inner = listItem(from);
  const target = listItem(to);
  if (inner !== undefined || target !== undefined) {
    return inner !== undefined && target !== undefined && coversInner(inner, target);
  }
  if (from.type.kind === 'struct' || to.type.kind === 'struct') return coversStruct(from, to);
  return coversValue(from) && coversValue(to);
}

/**
 * Bytes of a fixed width keep a value under a struct that is null: DuckDB does not carry the null down to them, and its
 * Parquet writer then puts the values behind it into the wrong rows.
 */
function coversInner(from: ArrowField, to: ArrowField): boolean {
  return from.type.kind !== 'fixed-size-binary' && coversField(from, to);
}

function listItem(field: ArrowField): ArrowField | undefined {
  const { kind } = field.type;
  return kind === 'list' || kind === 'large-list' || kind === 'list-view' || kind === 'large-list-view'
    ? field.children[0]
    : undefined;
}

/** Field by field, in one order: DuckDB casts what is not. */
function coversStruct(from: ArrowField, to: ArrowField): boolean {
  if (from.type.kind !== to.type.kind || from.children.length === 0) return false;
  if (from.children.length !== to.children.length) return false;
  if (new Set(from.children.map(({ name }) => foldCase(name))).size !== from.children.length) return false;
  return from.children.every((child, index) => {
    const other = to.children[index];
    return other?.name === child.name && isName(child.name) && coversInner(child, other);
  });
}

function coversValue({ type }: ArrowField): boolean {
  switch (type.kind) {
    case 'bool':
    case 'int':
    case 'utf8':
    case 'large-utf8':
    case 'utf8-view':
    case 'binary':
    case 'large-binary':
    case 'binary-view':
    case 'fixed-size-binary':
    case 'null':
      return true;
    case 'float':
      return type.bitWidth > 16;
    case 'decimal':
      return type.precision <= maxDecimalDigits && type.scale >= 0;
    case 'date':
      return type.unit === 'day';
    case 'timestamp':
      return type.unit === 'microsecond';
    default:
      return false;
  }
}

function isName(name: string): boolean {
  return name !== '' && !name.includes('\0');
}

/** The type that DuckDB casts a column to. Throws RangeError for those that {@link coversColumns} refuses. */
export function sqlTypeOf(field: ArrowField): string {
  const { type } = field;
  switch (type.kind) {
    case 'bool':
      return 'BOOLEAN';
    case 'int':
      return `${type.signed ? '' : 'U'}${{ 8: 'TINYINT', 16: 'SMALLINT', 32: 'INTEGER', 64: 'BIGINT' }[type.bitWidth]}`;
    case 'float':
      return type.bitWidth === 64 ? 'DOUBLE' : 'FLOAT';
    case 'decimal':
      return `DECIMAL(${type.precision}, ${type.scale})`;
    case 'utf8':
      return 'VARCHAR';
    case 'binary':
      return 'BLOB';
    case 'date':
      return 'DATE';
    case 'timestamp':
      return type.timezone === null ? 'TIMESTAMP' : 'TIMESTAMP WITH TIME ZONE';
    case 'struct': {
      const fields = field.children.map((child) => `${quoteIdentifier(child.name)} ${sqlTypeOf(child)}`);
      return `STRUCT(${fields.join(', ')})`;
    }
    case 'list': {
      const [item] = field.children;
      if (item !== undefined) return `${sqlTypeOf(item)}[]`;
    }
  }
  throw new RangeError(`DuckDB does not write columns of type ${type.kind}.`);
}
