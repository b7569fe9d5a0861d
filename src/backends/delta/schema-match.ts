import { type ArrowField, type ArrowSchema, describeType } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import {
  type DeltaField,
  type DeltaStruct,
  type DeltaType,
  deltaFieldOf,
  describeDeltaType,
  findDecimal,
  holdsLocalTime,
  holdsUnmakeable,
  UINT64,
  unsupported,
  VOID,
} from './delta-schema.ts';

/** How a stream's columns meet a table's. */
export interface SchemaMatch {
  /** The stream's columns, in its order, with the types that they are written with. */
  readonly columns: readonly DeltaField[];
  /** Columns, dotted for nested ones, that the table does not have. */
  readonly added: readonly string[];
  /** Columns whose type in the table must grow. */
  readonly widened: readonly string[];
  /** Columns of the table that the stream does not have. */
  readonly absent: readonly string[];
}

/** The columns of a table that a stream makes. Throws TYPE_UNSUPPORTED, and SCHEMA_MISMATCH for names that collide. */
export function columnsOf(schema: ArrowSchema): readonly DeltaField[] {
  checkNames(schema);
  const columns = schema.fields.map((field) => {
    const made = deltaFieldOf(field, field.name);
    if (holdsUnmakeable(made.type)) throw unsupported(field, field.name);
    return made;
  });
  refuseHiddenTimes(schema, columns);
  return columns;
}

/**
 * Timestamps without a time zone need a feature of the table. delta-rs looks for them in the columns that it writes,
 * but not inside maps, and then refuses its own commit, also where the table has the feature.
 */
function refuseHiddenTimes({ fields }: ArrowSchema, made: readonly DeltaField[]): void {
  if (made.some(({ type }) => holdsLocalTime(type, false))) return;
  const hidden = made.find(({ type }) => holdsLocalTime(type, true));
  const field = fields.find(({ name }) => name === hidden?.name);
  if (field !== undefined)
    throw unsupported(field, field.name, ' Give the timestamps in its map a time zone.');
}

/**
 * For a table that is to be made with mapped columns. delta-rs names only one of both features in the table's protocol
 * then, and other readers refuse it. Throws TYPE_UNSUPPORTED.
 */
export function refuseLocalTimes({ fields }: ArrowSchema, made: readonly DeltaField[]): void {
  const found = made.find(({ type }) => holdsLocalTime(type, true));
  const field = fields.find(({ name }) => name === found?.name);
  if (field === undefined) return;
  throw unsupported(
    field,
    field.name,
    ' A new table with delta.columnMapping.mode takes timestamps with a time zone only.',
  );
}

/**
 * Matches a stream with a table, by column name. Without `evolve`, new columns and wider types are mismatches.
 * Throws TYPE_UNSUPPORTED, and SCHEMA_MISMATCH naming every column that does not fit.
 */
export function matchSchema(schema: ArrowSchema, table: DeltaStruct, evolve: boolean): SchemaMatch {
  checkNames(schema);
  const incoming = schema.fields.map((field) => ({ field, made: deltaFieldOf(field, field.name) }));
  const matcher = new Matcher(evolve);
  const columns: DeltaField[] = [];
  for (const { field, made } of incoming) {
    const column = table.fields.find((candidate) => candidate.name === field.name);
    if (column !== undefined) {
      columns.push({ ...column, type: matcher.match(field.name, made.type, column.type, field) });
      continue;
    }
    const similar = table.fields.find((candidate) => sameIgnoringCase(candidate.name, field.name));
    if (similar !== undefined) matcher.fail(field.name, `the table calls it ${JSON.stringify(similar.name)}`);
    else if (!evolve) matcher.fail(field.name, 'the table has no such column');
    else if (holdsUnmakeable(made.type)) throw unsupported(field, field.name);
    else {
      matcher.added.push(field.name);
      columns.push(made);
    }
  }
  const names = new Set(schema.fields.map((field) => field.name));
  const absent = table.fields.filter((column) => !names.has(column.name));
  for (const column of absent) {
    if (!column.nullable) matcher.fail(column.name, 'the table needs it and the stream does not have it');
  }
  matcher.finish();
  refuseHiddenTimes(schema, columns);
  return {
    columns,
    added: matcher.added,
    widened: matcher.widened,
    absent: absent.map((column) => column.name),
  };
}

class Matcher {
  readonly added: string[] = [];
  readonly widened: string[] = [];
  readonly #problems: { column: string; text: string }[] = [];
  readonly #evolve: boolean;

  constructor(evolve: boolean) {
    this.#evolve = evolve;
  }

  fail(column: string, text: string): void {
    this.#problems.push({ column, text });
  }

  /** The type that values are written with. */
  match(path: string, from: DeltaType, to: DeltaType, field: ArrowField): DeltaType {
    if (typeof from === 'string' || typeof to === 'string')
      return this.#matchPrimitive(path, from, to, field);
    if (from.type === 'array' && to.type === 'array') {
      return { ...to, elementType: this.match(`${path}.element`, from.elementType, to.elementType, field) };
    }
    if (from.type === 'map' && to.type === 'map') {
      return {
        ...to,
        keyType: this.match(`${path}.key`, from.keyType, to.keyType, field),
        valueType: this.match(`${path}.value`, from.valueType, to.valueType, field),
      };
    }
    if (from.type === 'struct' && to.type === 'struct') return this.#matchStruct(path, from, to, field);
    this.#failType(path, from, to, field);
    return to;
  }

  finish(): void {
    const [first] = this.#problems;
    if (first === undefined) return;
    const list = this.#problems.map(({ column, text }) => `${JSON.stringify(column)} (${text})`).join(', ');
    throw new ArrowportError(
      'SCHEMA_MISMATCH',
      `The stream does not fit the Delta table in ${this.#problems.length === 1 ? 'column' : 'columns'} ${list}. Nothing was written.`,
      { details: { column: first.column } },
    );
  }

  #matchPrimitive(path: string, from: DeltaType, to: DeltaType, field: ArrowField): DeltaType {
    if (from === VOID || fits(from, to)) return to;
    if (fits(to, from) && !holdsUnmakeable(from)) {
      if (this.#evolve) {
        this.widened.push(path);
        return from;
      }
    }
    this.#failType(path, from, to, field);
    return to;
  }

  #matchStruct(path: string, from: DeltaStruct, to: DeltaStruct, field: ArrowField): DeltaType {
    const fields = to.fields.map((column) => {
      const own = from.fields.find((candidate) => candidate.name === column.name);
      if (own !== undefined) {
        return { ...column, type: this.match(`${path}.${column.name}`, own.type, column.type, field) };
      }
      this.fail(`${path}.${column.name}`, 'the table has it and the stream does not');
      return column;
    });
    const added = from.fields.filter((own) => !to.fields.some((column) => column.name === own.name));
    for (const own of added) {
      if (!this.#evolve) this.fail(`${path}.${own.name}`, 'the table has no such field');
      else if (holdsUnmakeable(own.type)) throw unsupported(field, `${path}.${own.name}`);
      else this.added.push(`${path}.${own.name}`);
    }
    return { ...to, fields: this.#evolve ? [...fields, ...added] : fields };
  }

  #failType(path: string, from: DeltaType, to: DeltaType, field: ArrowField): void {
    const shown = path === field.name ? describeType(field) : describeDeltaType(from);
    this.fail(path, `it is ${shown}, the table has ${describeDeltaType(to)}`);
  }
}

const INTEGER_DIGITS: Readonly<Record<string, number>> = {
  byte: 3,
  short: 5,
  integer: 10,
  long: 19,
  [UINT64]: 20,
};
const WIDER: Readonly<Record<string, readonly string[]>> = {
  byte: ['short', 'integer', 'long', 'float', 'double'],
  short: ['integer', 'long', 'float', 'double'],
  integer: ['long', 'double'],
  float: ['double'],
};

/** Whether every value of a type is a value of another one. */
function fits(from: DeltaType, to: DeltaType): boolean {
  if (typeof from !== 'string' || typeof to !== 'string') return false;
  if (from === to || (WIDER[from]?.includes(to) ?? false)) return true;
  const target = findDecimal(to);
  if (target === undefined) return false;
  const source = findDecimal(from);
  const digits = source === undefined ? INTEGER_DIGITS[from] : source.precision - source.scale;
  if (digits === undefined) return false;
  return target.precision - target.scale >= digits && target.scale >= (source?.scale ?? 0);
}

function checkNames(schema: ArrowSchema): void {
  if (schema.fields.length === 0) {
    throw new ArrowportError(
      'SCHEMA_MISMATCH',
      'The stream has no columns; a Delta table needs at least one.',
    );
  }
  for (const field of schema.fields) refuseNul(field, field.name);
  const seen = new Map<string, string>();
  for (const { name } of schema.fields) {
    const key = name.toLowerCase();
    const other = seen.get(key);
    if (other !== undefined) {
      const pair = `${JSON.stringify(other)} and ${JSON.stringify(name)}`;
      throw new ArrowportError('SCHEMA_MISMATCH', `Columns ${pair} have the same name for Delta.`, {
        details: { column: name },
      });
    }
    seen.set(key, name);
  }
}

/** Names go to delta-rs through a C interface, which ends them at their first NUL. */
function refuseNul({ name, children }: ArrowField, column: string): void {
  if (name.includes('\0')) {
    throw new ArrowportError(
      'SCHEMA_MISMATCH',
      `Column ${JSON.stringify(column)} has a name with a NUL in it, which Delta cannot hold.`,
      { details: { column } },
    );
  }
  for (const child of children) refuseNul(child, column);
}

function sameIgnoringCase(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}
