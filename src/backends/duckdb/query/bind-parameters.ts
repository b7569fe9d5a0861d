import { type DuckDBPreparedStatement, SQLNULL } from '@duckdb/node-api';
import type { QueryParameters } from '../../../core/query.ts';
import { ArrowportError } from '../../../errors.ts';
import { bindTypedNull } from '../native/typed-null.ts';
import { fromParameterValue } from './given-values.ts';
import { ParameterExtent } from './parameter-extent.ts';
import { fromArrow, type TypedValue } from './parameter-values.ts';

/** Binds one set of values to a prepared statement. */
export type Binding = (prepared: DuckDBPreparedStatement) => void;

/** The bindings that parameters ask for, one for each run of the statement; there are none for Arrow without rows. */
export function* readBindings(parameters: QueryParameters): Generator<Binding> {
  switch (parameters.kind) {
    case 'values': {
      const { values } = parameters;
      yield (prepared) => {
        const extent = new ParameterExtent();
        bindPositions(prepared, values.length, (index) => fromParameterValue(values[index] ?? null, extent));
      };
      return;
    }
    case 'named': {
      const { values } = parameters;
      yield (prepared) => {
        const extent = new ParameterExtent();
        bindNames(prepared, Object.keys(values), (name) => fromParameterValue(values[name] ?? null, extent));
      };
      return;
    }
    case 'arrow':
      for (const { columns, rows } of parameters.batches) {
        for (let row = 0; row < rows; row += 1) {
          yield (prepared) => {
            const extent = new ParameterExtent();
            const bind = (index: number): TypedValue => {
              const column = columns[index];
              if (column === undefined) throw new Error('A batch has fewer columns than its schema.');
              return fromArrow(column, row, extent);
            };
            const names = parameters.schema.fields.map(({ name }) => name);
            if (isNamed(prepared, names)) bindNames(prepared, names, (name) => bind(names.indexOf(name)));
            else bindPositions(prepared, columns.length, bind);
          };
        }
      }
  }
}

/** Binds one row to the parameters of a statement that stand behind `offset` others, by their positions. */
export type RowBinding = (prepared: DuckDBPreparedStatement, offset: number) => void;

/** The rows of Arrow parameters, to be bound beside each other. */
export function* readRowBindings(parameters: QueryParameters): Generator<RowBinding> {
  if (parameters.kind !== 'arrow') return;
  for (const { columns, rows } of parameters.batches) {
    for (let row = 0; row < rows; row += 1) {
      yield (prepared, offset) => {
        const extent = new ParameterExtent();
        columns.forEach((column, index) => {
          bind(prepared, offset + index + 1, fromArrow(column, row, extent));
        });
      };
    }
  }
}

/** Every parameter as NULL, to ask for the shape of a result. */
export function bindNulls(prepared: DuckDBPreparedStatement): void {
  for (let index = 1; index <= prepared.parameterCount; index += 1) prepared.bindNull(index);
}

function isNamed(prepared: DuckDBPreparedStatement, names: readonly string[]): boolean {
  const given = new Set(names.map((name) => name.toLowerCase()));
  return (
    prepared.parameterCount > 0 &&
    parameterNames(prepared).every((name) => !/^\d+$/.test(name) && given.has(name.toLowerCase()))
  );
}

function bindPositions(
  prepared: DuckDBPreparedStatement,
  count: number,
  valueAt: (index: number) => TypedValue,
): void {
  const wanted = prepared.parameterCount;
  if (wanted !== count) {
    throw invalid(
      `The statement takes ${describeCount(wanted)}, and ${count} ${count === 1 ? 'was' : 'were'} given.`,
    );
  }
  for (let index = 0; index < count; index += 1) bind(prepared, index + 1, valueAt(index));
}

function bindNames(
  prepared: DuckDBPreparedStatement,
  given: readonly string[],
  valueNamed: (name: string) => TypedValue,
): void {
  const names = parameterNames(prepared);
  const byName = new Map([...given].reverse().map((name) => [name.toLowerCase(), name]));
  const find = (wanted: string) => byName.get(wanted.toLowerCase());
  const missing = names.filter((name) => find(name) === undefined);
  if (missing.length > 0) throw invalid(`No value is given for the parameter ${list(missing)}.`);
  if (given.length !== names.length) {
    const known = new Set(names.map((name) => name.toLowerCase()));
    const unknown = given.filter((name) => !known.has(name.toLowerCase()));
    throw invalid(`The statement has no parameter ${list(unknown.map((name) => JSON.stringify(name)))}.`);
  }
  names.forEach((name, index) => {
    bind(prepared, index + 1, valueNamed(find(name) ?? name));
  });
}

function list(names: readonly string[]): string {
  return names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
}

function parameterNames(prepared: DuckDBPreparedStatement): string[] {
  return Array.from({ length: prepared.parameterCount }, (_, index) => prepared.parameterName(index + 1));
}

function bind(prepared: DuckDBPreparedStatement, index: number, { value, type }: TypedValue): void {
  try {
    if (value !== null) prepared.bindValue(index, value, type);
    else if (type === SQLNULL) prepared.bindNull(index);
    else bindTypedNull(prepared, index, type);
  } catch (cause) {
    throw new ArrowportError('QUERY_INVALID', `Parameter ${index} has a value that cannot be bound.`, {
      cause,
    });
  }
}

function describeCount(count: number): string {
  if (count === 0) return 'no parameters';
  return count === 1 ? 'one parameter' : `${count} parameters`;
}

function invalid(text: string): ArrowportError {
  return new ArrowportError('QUERY_INVALID', text);
}
