import { byteSize } from '../arrow/array-layout.ts';
import type { Transport } from '../core/ingest.ts';
import type { ArrowBatch, PreparedQuery, QueryEngine, QueryResult, QueryRunner } from '../core/query.ts';
import { toArrowportError } from '../errors.ts';
import { type Metrics, type QueryOutcome, queryOutcomes } from '../telemetry/metrics.ts';
import { passCatalog, wrapSession, wrapStatement } from './wrapped-queries.ts';

/** Counts the statements that come through one door. The engine stays whoever made it's to close. */
export function meterQueries(engine: QueryEngine, metrics: Metrics, transport: Transport): QueryEngine {
  const meter = new QueryMeter(metrics, transport);
  return {
    ...meterRunner(engine, meter),
    exportParquet: (sql, parameters, context) =>
      meter.call(
        () => engine.exportParquet(sql, parameters, context),
        ({ byteLength }) => meter.count(0, byteLength),
      ),
    splitRead: (sql, partBytes, context) => engine.splitRead(sql, partBytes, context),
    openSession: async (caller) => {
      const session = await engine.openSession(caller);
      return wrapSession(session, meterRunner(session, meter));
    },
    setDraining: () => engine.setDraining(),
    close: () => engine.close(),
  };
}

function meterRunner(runner: QueryRunner, meter: QueryMeter): QueryRunner {
  const metered = (statement: PreparedQuery): PreparedQuery =>
    wrapStatement(statement, {
      execute: (parameters, context) => meter.stream(() => statement.execute(parameters, context)),
      executeUpdate: (parameters, context) => meter.call(() => statement.executeUpdate(parameters, context)),
    });
  return {
    prepare: async (sql, context) => metered(await runner.prepare(sql, context)),
    run: (sql, parameters, context) => meter.stream(() => runner.run(sql, parameters, context)),
    runUpdate: (sql, parameters, context) => meter.call(() => runner.runUpdate(sql, parameters, context)),
    ...passCatalog(runner),
  };
}

class QueryMeter {
  readonly #metrics: Metrics;
  readonly #transport: Transport;

  constructor(metrics: Metrics, transport: Transport) {
    this.#metrics = metrics;
    this.#transport = transport;
    for (const outcome of queryOutcomes) {
      metrics.counter('arrowport_queries_total').inc({ transport, outcome }, 0);
    }
    metrics.gauge('arrowport_active_queries').set({ transport }, 0);
    this.count(0, 0);
  }

  count(rows: number, bytes: number): void {
    const transport = this.#transport;
    this.#metrics.counter('arrowport_query_rows_total').inc({ transport }, rows);
    this.#metrics.counter('arrowport_query_bytes_total').inc({ transport }, bytes);
  }

  /** A statement that is over when its call is. */
  async call<T>(run: () => Promise<T>, answered: (value: T) => void = () => undefined): Promise<T> {
    const end = this.#begin();
    try {
      const value = await run();
      answered(value);
      end('answered');
      return value;
    } catch (thrown) {
      end(outcomeOf(thrown));
      throw thrown;
    }
  }

  /** A statement that is over with its last batch. */
  async stream(run: () => Promise<QueryResult>): Promise<QueryResult> {
    const end = this.#begin();
    let result: QueryResult;
    try {
      result = await run();
    } catch (thrown) {
      end(outcomeOf(thrown));
      throw thrown;
    }
    return {
      schema: result.schema,
      columnTypes: result.columnTypes,
      batches: this.#watched(result.batches, end),
      isTruncated: () => result.isTruncated(),
      close: async () => {
        end('cancelled');
        await result.close();
      },
    };
  }

  async *#watched(
    batches: AsyncIterable<ArrowBatch>,
    end: (outcome: QueryOutcome) => void,
  ): AsyncGenerator<ArrowBatch> {
    try {
      for await (const batch of batches) {
        this.count(
          batch.rows,
          batch.columns.reduce((sum, column) => sum + byteSize(column), 0),
        );
        yield batch;
      }
      end('answered');
    } catch (thrown) {
      end(outcomeOf(thrown));
      throw thrown;
    } finally {
      end('cancelled');
    }
  }

  /** The first outcome that the returned function is told counts. */
  #begin(): (outcome: QueryOutcome) => void {
    const transport = this.#transport;
    const active = this.#metrics.gauge('arrowport_active_queries');
    const started = performance.now();
    let ended = false;
    active.inc({ transport });
    return (outcome) => {
      if (ended) return;
      ended = true;
      active.dec({ transport });
      this.#metrics.counter('arrowport_queries_total').inc({ transport, outcome });
      this.#metrics
        .histogram('arrowport_query_seconds')
        .observe({ transport }, (performance.now() - started) / 1000);
    };
  }
}

function outcomeOf(thrown: unknown): QueryOutcome {
  const { code, outcome } = toArrowportError(thrown);
  return code === 'CANCELLED' ? 'cancelled' : outcome;
}
