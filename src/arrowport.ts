import { relative } from 'node:path';
import type { Writable } from 'node:stream';
import type { DuckDbBackend } from './backends/duckdb/backend.ts';
import { type BackendRegistry, createBackendRegistry } from './backends/registry.ts';
import { type AuditSide, createAuditSide } from './composition/audit.ts';
import { type AuthSide, createAuthSide } from './composition/auth.ts';
import { createDeltaSide, type DeltaSide } from './composition/delta.ts';
import { createDeltaSql, withDeltaReading } from './composition/delta-sql.ts';
import { createFlightSqlSide } from './composition/flight-sql.ts';
import { isLoopback } from './composition/loopback.ts';
import { meterQueries } from './composition/metered-queries.ts';
import { createServerMigrator } from './composition/migrate-server.ts';
import { createPorts, type PortAddress, type Ports } from './composition/ports.ts';
import { createQuerySide } from './composition/query.ts';
import { createLiveConfig, type LiveConfig } from './config/live-config.ts';
import { type LoadedConfig, loadConfig } from './config/load.ts';
import type { CommandLineOverrides } from './config/overrides.ts';
import { packageVersion } from './config/package-version.ts';
import type { Config } from './config/schema.ts';
import type { IpcLimits } from './core/ipc-message.ts';
import type { IngestObserver } from './core/observer.ts';
import type { Operations } from './core/operations.ts';
import type { QueryEngine } from './core/query.ts';
import type { BackendKind } from './core/receipt.ts';
import { createDeltaActions } from './endpoints/flight/delta-actions.ts';
import { createFlightEndpoint, type FlightEndpoint } from './endpoints/flight/endpoint.ts';
import { createHttpEndpoint, type HttpEndpoint } from './endpoints/http/endpoint.ts';
import { type Admission, createAdmission } from './ingest/admission.ts';
import { createIngestor } from './ingest/ingestor.ts';
import { createLastLoads, type LastLoads } from './ingest/last-loads.ts';
import { createStreamDirectory } from './ingest/stream-directory.ts';
import { createRouteTable } from './router/route-table.ts';
import { createRouter, type Router } from './router/router.ts';
import { combineObservers } from './telemetry/combine-observers.ts';
import { createDeltaMeter, type DeltaMeter } from './telemetry/delta-meter.ts';
import { createLogObserver } from './telemetry/log-observer.ts';
import { createLogger, type Logger, type LogRoot } from './telemetry/logger.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { createPrometheusObserver } from './telemetry/prometheus-observer.ts';

/** Where a server takes its configuration from, and what it runs in. */
export interface ArrowportOptions {
  /** The configuration file; left out: `ARROWPORT_CONFIG`, then `arrowport.yaml` in `cwd`, then the defaults. */
  readonly configPath?: string;
  /** What stands over the file and the environment. */
  readonly overrides?: CommandLineOverrides;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Takes the log lines; standard output when left out. */
  readonly logOutput?: Writable;
}

/** Where a started server listens. */
export type ArrowportAddress = PortAddress;

/** One server: doors, routes, backends. */
export interface Arrowport {
  /** Opens the backends and listens, once. Throws what hinders it; nothing is left open then. */
  start(): Promise<ArrowportAddress>;
  /**
   * Takes no new loads, lets running ones finish for `shutdown_grace_seconds`, closes everything. Never throws; a
   * second call waits for the first.
   */
  stop(): Promise<void>;
}

/** Builds a server of its configuration; nothing is opened before `start`. Throws CONFIG_INVALID. */
export async function createArrowport(options: ArrowportOptions): Promise<Arrowport> {
  const createdAt = Date.now();
  const load = (path: string | undefined) =>
    loadConfig({
      path,
      cwd: options.cwd,
      env: options.env,
      ...(options.overrides === undefined ? {} : { overrides: options.overrides }),
    });
  const initial = await load(options.configPath);
  return new Server(initial, createdAt, options, load);
}

class Server implements Arrowport {
  readonly #createdAt: number;
  readonly #log: LogRoot;
  readonly #logger: Logger;
  readonly #metrics: Metrics = createMetrics({ processMetrics: true });
  readonly #config: LiveConfig;
  readonly #router: Router;
  readonly #lastLoads: LastLoads = createLastLoads();
  readonly #observer: IngestObserver;
  readonly #deltaMeter: DeltaMeter;
  readonly #delta: DeltaSide;
  readonly #auth: AuthSide;
  readonly #audit: AuditSide;
  readonly #backends: BackendRegistry;
  readonly #admission: Admission;
  readonly #queries: QueryEngine;
  readonly #http: HttpEndpoint;
  readonly #flight: FlightEndpoint;
  readonly #ports: Ports;
  #duckdb: DuckDbBackend | null = null;
  readonly #openers = {
    openDuckDb: async (): Promise<DuckDbBackend> => {
      await this.#backends.open('duckdb');
      if (this.#duckdb === null) throw new Error('The DuckDB backend was opened by someone else.');
      return this.#duckdb;
    },
    openDelta: () => this.#delta.backend(() => this.#backends.open('delta')),
  };
  #state: 'starting' | 'running' | 'draining' = 'starting';
  #stopped: Promise<void> | null = null;

  constructor(
    initial: LoadedConfig,
    createdAt: number,
    options: ArrowportOptions,
    load: (path: string | undefined) => Promise<LoadedConfig>,
  ) {
    const { config } = initial;
    this.#createdAt = createdAt;
    this.#log = createLogger(config.log, options.logOutput);
    this.#logger = this.#log.logger;
    this.#router = createRouter(createRouteTable(config));
    this.#config = createLiveConfig({
      initial,
      load: () => load(reloadPath(initial, options)),
      apply: (next) => this.#apply(next),
      logger: this.#logger,
      onReload: (outcome) => this.#metrics.configReloaded(outcome),
    });
    this.#deltaMeter = createDeltaMeter(this.#metrics);
    this.#audit = createAuditSide(config.audit.file, options.cwd, this.#logger);
    this.#observer = combineObservers([
      createPrometheusObserver(this.#metrics),
      createLogObserver(this.#logger),
      this.#lastLoads.observer,
      this.#deltaMeter.observer,
      this.#audit.observer,
    ]);
    this.#auth = createAuthSide({
      config: () => this.#config.current(),
      cwd: options.cwd,
      logger: this.#logger,
    });
    this.#delta = createDeltaSide({
      config: () => this.#config.current(),
      env: options.env,
      logger: this.#logger,
      metrics: this.#metrics,
      meter: this.#deltaMeter,
    });
    this.#backends = this.#createBackends(options.env);
    this.#admission = createAdmission({
      maxStreams: config.limits.max_streams,
      maxInflightBytes: config.limits.max_inflight_bytes,
      observer: this.#observer,
    });
    this.#queries = createQuerySide({
      config: () => this.#config.current(),
      openDuckDb: this.#openers.openDuckDb,
      relations: [createDeltaSql(this.#openers)],
      audit: this.#audit.trail,
    });
    const { http, flight } = this.#createDoors();
    this.#http = http;
    this.#flight = flight;
    this.#ports = createPorts({
      onHttp1: (socket) => http.server.emit('connection', socket),
      onFlight: flight.acceptConnection,
    });
    this.#metrics.setEngineMemory(async () => (await this.#duckdb?.memoryBytes()) ?? 0);
  }

  async start(): Promise<ArrowportAddress> {
    const config = this.#config.current();
    try {
      await this.#auth.open();
      this.#audit.open();
      if (this.#uses('duckdb')) await this.#backends.open('duckdb');
      await this.#http.ready();
      const address = await this.#ports.listen(config, this.#auth.tls());
      this.#config.watch(this.#createdAt);
      this.#auth.watch(this.#createdAt, (material) => this.#ports.setTls(material));
      // In the background: a worker that is slow to come, or never comes, must not keep other streams waiting.
      if (this.#uses('delta')) void this.#delta.prepare(() => this.#backends.open('delta'));
      this.#state = 'running';
      this.#announce(config, address);
      return address;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#shutDown();
    return this.#stopped;
  }

  async #shutDown(): Promise<void> {
    const wasRunning = this.#state === 'running';
    this.#state = 'draining';
    const graceSeconds = this.#config.current().shutdown_grace_seconds;
    if (wasRunning) this.#logger.info({ grace_seconds: graceSeconds }, 'stopping');
    this.#config.close();
    this.#auth.close();
    this.#admission.setDraining();
    this.#queries.setDraining();
    this.#http.setDraining();
    this.#flight.setDraining();
    const graceMs = wasRunning ? graceSeconds * 1000 : 0;
    await this.#attempt('the ports', () => this.#ports.close());
    await Promise.all([
      this.#attempt('the HTTP door', () => this.#http.stop(graceMs)),
      this.#attempt('the Flight door', () => this.#flight.stop(graceMs)),
    ]);
    await this.#attempt('the queries', () => this.#queries.close());
    await this.#attempt('the backends', () => this.#backends.close());
    this.#admission.close();
    this.#audit.close();
    if (wasRunning) this.#logger.info('stopped');
  }

  /** What fails to close must not keep the rest open. */
  async #attempt(what: string, close: () => Promise<unknown>): Promise<void> {
    try {
      await close();
    } catch (error) {
      this.#logger.error({ err: error }, `closing ${what} failed`);
    }
  }

  #createBackends(env: ArrowportOptions['env']): BackendRegistry {
    const config = this.#config.current();
    return createBackendRegistry({
      duckdb: async () => {
        const { createDuckDbBackend } = await import('./backends/duckdb/backend.ts');
        const logger = this.#logger;
        this.#duckdb = await createDuckDbBackend({
          config: await withDeltaReading(config, env),
          logger,
          limits: () => this.#ipcLimits(),
          retentionHours: () => this.#config.current().idempotency.retention_hours,
        });
        return this.#duckdb;
      },
      delta: () => this.#delta.open(),
    });
  }

  #createDoors(): { http: HttpEndpoint; flight: FlightEndpoint } {
    const ingestor = createIngestor({
      router: this.#router,
      admission: this.#admission,
      observer: this.#observer,
      audit: this.#audit.trail,
      openBackend: (kind) => this.#backends.open(kind),
      limits: () => this.#ipcLimits(),
    });
    const shared = {
      ingestor,
      operations: this.#createOperations(),
      authenticator: this.#auth.authenticator,
      observer: this.#observer,
      logger: this.#logger,
    };
    const delta = {
      ...this.#delta.access(() => this.#backends.open('delta')),
      audit: this.#audit.trail,
    };
    const connections = this.#metrics.gauge('arrowport_active_connections');
    const http = createHttpEndpoint({
      ...shared,
      directory: createStreamDirectory({
        router: this.#router,
        lastLoads: this.#lastLoads,
        openBackend: (kind) => this.#backends.open(kind),
        listTables: async () => (await this.#duckdb?.listTables()) ?? [],
        listDeltaTables: async () =>
          this.#config.current().storage_backend === 'delta'
            ? this.#delta.listNames(() => this.#backends.open('delta'))
            : [],
      }),
      delta,
      queries: meterQueries(this.#queries, this.#metrics, 'http'),
      migrator: createServerMigrator({
        config: () => this.#config.current(),
        routes: () => this.#router.current(),
        ...this.#openers,
        audit: this.#audit,
      }),
      connections: connections.labels({ transport: 'http' }),
      settings: () => ({
        ...this.#ipcLimits(),
        maxBodyBytes: this.#config.current().limits.max_body_bytes,
        idleTimeoutSeconds: this.#config.current().limits.idle_timeout_seconds,
      }),
    });
    const flight = createFlightEndpoint({
      ...shared,
      actions: createDeltaActions(delta),
      producer: createFlightSqlSide({
        engine: meterQueries(this.#queries, this.#metrics, 'flight'),
        ingestor,
        observer: this.#observer,
        config: () => this.#config.current(),
      }),
      onConnectionCount: (count) => connections.set({ transport: 'flight' }, count),
      settings: () => ({
        ...this.#ipcLimits(),
        idleTimeoutSeconds: this.#config.current().limits.idle_timeout_seconds,
        maxStreams: this.#config.current().limits.max_streams,
      }),
    });
    return { http, flight };
  }

  #createOperations(): Operations {
    return {
      version: packageVersion(),
      reload: (by) =>
        this.#audit.record('reload', by, async () => {
          const answer = await this.#config.reload();
          await this.#auth.reload();
          return answer;
        }),
      readiness: () => this.#readiness(),
      metricsText: async () => {
        await this.#deltaMeter.refresh();
        return this.#metrics.text();
      },
    };
  }

  async #readiness(): Promise<readonly string[]> {
    if (this.#state === 'starting') return ['the server is starting'];
    if (this.#state === 'draining') return ['the server is shutting down'];
    // What no route writes to is no reason to send producers elsewhere.
    const routed = [...this.#backends.opened()].filter(([kind]) => this.#uses(kind));
    const problems = await Promise.all(routed.map(([, backend]) => backend.problems()));
    return [...this.#audit.problems(), ...problems.flat()];
  }

  #announce(config: Config, { host, port, flightPort }: ArrowportAddress): void {
    this.#logger.info({ host, port, flight_port: flightPort, db: config.db_path }, 'listening');
    if (!isLoopback(host)) this.#auth.tellRisk(host);
  }

  #apply(next: Config): void {
    const routes = createRouteTable(next);
    this.#router.swap(routes);
    this.#log.setLevel(next.log.level);
  }

  #ipcLimits(): IpcLimits {
    const { max_message_bytes, max_decompressed_ratio } = this.#config.current().limits;
    return { maxMessageBytes: max_message_bytes, maxDecompressedRatio: max_decompressed_ratio };
  }

  /** Whether a stream can lead there: such a backend is opened with the server, so that what is wrong shows at the start. */
  #uses(kind: BackendKind): boolean {
    const { storage_backend, streams } = this.#config.current();
    const backends = Object.values(streams).map((route) => route.storage_backend);
    return storage_backend === kind || backends.includes(kind);
  }
}

/** A file that was read once must be there again; named as short as can be, since errors show it. */
function reloadPath({ path }: LoadedConfig, { configPath, cwd }: ArrowportOptions): string | undefined {
  if (configPath !== undefined || path === null) return configPath;
  const inside = relative(cwd, path);
  return inside.startsWith('..') ? path : inside;
}
