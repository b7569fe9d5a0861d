import type { DuckDBConnection } from '@duckdb/node-api';
import { type ArrowField, describeType } from '../../core/schema.ts';
import { ArrowportError } from '../../errors.ts';
import type { BatchQueue } from './batch-queue.ts';
import { withNullTypes } from './column-types.ts';
import { fromDuckDbError } from './errors.ts';
import { quoteIdentifier } from './identifier.ts';
import type { LoadColumn } from './load-column.ts';
import type { Column } from './match-columns.ts';
import { type ArrowView, createArrowView } from './native/array-stream.ts';

let lastView = 0;

/** A column with the type that DuckDB reads it as, and the field as it was sent. */
interface ReadColumn extends Column {
  readonly source: ArrowField;
}

/** A stream as DuckDB sees it: a view over batches, on a connection of its own. */
export class StreamView {
  /** The stream's columns with the types that DuckDB gives them; NULL's own where only nulls were announced. */
  readonly columns: readonly Column[];
  readonly #connection: DuckDBConnection;
  readonly #read: readonly ReadColumn[];
  readonly #view: ArrowView;
  readonly #name: string;

  private constructor(
    connection: DuckDBConnection,
    view: ArrowView,
    name: string,
    read: readonly ReadColumn[],
  ) {
    this.#connection = connection;
    this.#read = read;
    this.#view = view;
    this.#name = name;
    this.columns = read.map((column) => ({ ...column, type: withNullTypes(column.type, column.source) }));
  }

  /** The connection's current catalog must be an in-memory one. Throws TYPE_UNSUPPORTED when DuckDB refuses a type. */
  static async open(connection: DuckDBConnection, planned: readonly LoadColumn[]): Promise<StreamView> {
    const fields = planned.map((column) => column.field);
    lastView += 1;
    const name = `arrow_stream_${lastView}`;
    let view: ArrowView | undefined;
    try {
      view = createArrowView(connection, name, fields);
      const result = await connection.run(`SELECT * FROM ${name} LIMIT 0`);
      const types = result.columnTypes();
      const columns = planned.map(({ source }, index) => {
        const type = types[index];
        if (type === undefined) throw new Error('DuckDB sees fewer columns than the stream has.');
        return { name: source.name, type, required: false, source };
      });
      return new StreamView(connection, view, name, columns);
    } catch (thrown) {
      view?.close();
      // A database that was given up refuses every schema; asked anything else, it says so.
      if (view === undefined) await connection.run('SELECT 1').catch(raise);
      throw fromDuckDbError(thrown, 'load');
    }
  }

  /**
   * Runs one INSERT over what the queue holds and what joins it meanwhile; resolves with the rows inserted. Throws the
   * table's codes; INTERNAL when DuckDB did not take every row it was handed, so that rows can never be lost in silence.
   */
  async insert(target: string, queue: BatchQueue): Promise<number> {
    const names = this.columns.map((column) => quoteIdentifier(column.name)).join(', ');
    queue.open();
    this.#view.offer(queue);
    let inserted: number;
    let taken: number;
    try {
      const result = await this.#connection.run(
        `INSERT INTO ${target} (${names}) SELECT ${names} FROM memory.main.${this.#name}`,
      );
      inserted = result.rowsChanged;
    } catch (thrown) {
      throw findMapFault(thrown, this.#read) ?? fromDuckDbError(thrown, 'load');
    } finally {
      this.#view.offer(null);
      taken = queue.settle();
    }
    if (inserted !== taken) {
      throw new ArrowportError('INTERNAL', 'The database did not take every row; nothing was kept.', {
        cause: new Error(`${taken} rows were handed to DuckDB, ${inserted} were inserted.`),
      });
    }
    return inserted;
  }

  /** The columns as a temporary table that takes the rows has them. */
  columnList(): string {
    return this.#read.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`).join(', ');
  }

  async close(): Promise<void> {
    await this.#connection.run(`DROP VIEW IF EXISTS memory.main.${this.#name}`).catch(() => undefined);
    this.#view.close();
  }
}

/** DuckDB does not say which column's map it refuses: all that may be meant are named. */
function findMapFault(thrown: unknown, columns: readonly ReadColumn[]): ArrowportError | undefined {
  if (!(thrown instanceof Error) || !/^Invalid Input Error: Arrow map/.test(thrown.message)) return undefined;
  const maps = columns.map(({ source }) => source).filter(hasMap);
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

function raise(thrown: unknown): never {
  throw fromDuckDbError(thrown, 'load');
}
