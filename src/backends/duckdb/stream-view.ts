import type { DuckDBConnection } from '@duckdb/node-api';
import { type ArrowField, describeType } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { BatchGroup } from './batch-group.ts';
import { fromDuckDbError } from './errors.ts';
import { quoteIdentifier } from './identifier.ts';
import type { Column } from './match-columns.ts';
import { type ArrowView, createArrowView } from './native/array-stream.ts';

let lastView = 0;

/** A stream as DuckDB sees it: a view over batches, on a connection of its own. */
export class StreamView {
  /** The stream's columns with the types that DuckDB gives them. */
  readonly columns: readonly Column[];
  readonly #connection: DuckDBConnection;
  readonly #fields: readonly ArrowField[];
  readonly #view: ArrowView;
  readonly #name: string;

  private constructor(
    connection: DuckDBConnection,
    fields: readonly ArrowField[],
    view: ArrowView,
    name: string,
    columns: readonly Column[],
  ) {
    this.#connection = connection;
    this.#fields = fields;
    this.#view = view;
    this.#name = name;
    this.columns = columns;
  }

  /** The connection's current catalog must be an in-memory one. Throws TYPE_UNSUPPORTED when DuckDB refuses a type. */
  static async open(connection: DuckDBConnection, fields: readonly ArrowField[]): Promise<StreamView> {
    lastView += 1;
    const name = `arrow_stream_${lastView}`;
    let view: ArrowView | undefined;
    try {
      view = createArrowView(connection, name, fields);
      const result = await connection.run(`SELECT * FROM ${name} LIMIT 0`);
      const types = result.columnTypes();
      const columns = fields.map((field, index) => {
        const type = types[index];
        if (type === undefined) throw new Error('DuckDB sees fewer columns than the stream has.');
        return { name: field.name, type, required: false };
      });
      return new StreamView(connection, fields, view, name, columns);
    } catch (thrown) {
      view?.close();
      throw fromDuckDbError(thrown, 'load');
    }
  }

  /**
   * Runs one INSERT over a group. Throws the table's codes; INTERNAL when DuckDB did not take every row it was handed,
   * so that rows can never be lost in silence.
   */
  async insert(target: string, group: BatchGroup): Promise<void> {
    const names = this.columns.map((column) => quoteIdentifier(column.name)).join(', ');
    this.#view.offer(group.arrays);
    let inserted: number;
    try {
      const result = await this.#connection.run(
        `INSERT INTO ${target} (${names}) SELECT ${names} FROM memory.main.${this.#name}`,
      );
      inserted = result.rowsChanged;
    } catch (thrown) {
      throw findMapFault(thrown, this.#fields) ?? fromDuckDbError(thrown, 'load');
    } finally {
      this.#view.offer([]);
    }
    if (inserted !== group.rows) {
      throw new ArrowportError('INTERNAL', 'The database did not take every row; nothing was kept.', {
        cause: new Error(`${group.rows} rows were handed to DuckDB, ${inserted} were inserted.`),
      });
    }
  }

  async close(): Promise<void> {
    await this.#connection.run(`DROP VIEW IF EXISTS memory.main.${this.#name}`).catch(() => undefined);
    this.#view.close();
  }
}

/** DuckDB does not say which column's map it refuses: all that may be meant are named. */
function findMapFault(thrown: unknown, fields: readonly ArrowField[]): ArrowportError | undefined {
  if (!(thrown instanceof Error) || !/^Invalid Input Error: Arrow map/.test(thrown.message)) return undefined;
  const maps = fields.filter(hasMap);
  const [first] = maps;
  if (first === undefined) return undefined;
  const names = maps.map((field) => `${JSON.stringify(field.name)} of type ${describeType(field)}`);
  return new ArrowportError(
    'TYPE_UNSUPPORTED',
    `Column ${names.join(' or ')} cannot be loaded: DuckDB’s maps have each key once, and no NULL keys.`,
    { cause: thrown, details: { column: first.name } },
  );
}

function hasMap(field: ArrowField): boolean {
  return field.type.kind === 'map' || field.children.some(hasMap);
}
