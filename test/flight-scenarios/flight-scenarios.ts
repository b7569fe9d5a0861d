import { ANYONE, type Authenticator } from '../../src/core/auth.ts';
import type { ArrowSchema } from '../../src/core/schema.ts';
import {
  cancelStatus,
  descriptorType,
  type FlightDescriptor,
  type FlightEndpointMessage,
  type FlightInfoMessage,
  type SessionOptionValueMessage,
  sessionOptionError,
  type TimestampMessage,
} from '../../src/endpoints/flight/messages.ts';
import type { FlightProducer, FlightStream } from '../../src/endpoints/flight/producer.ts';
import { encapsulateSchema } from '../../src/endpoints/flight/reading-handlers.ts';
import { buildBatch } from '../../src/endpoints/flight-sql/build-arrays.ts';
import { createField, createSchema } from '../../src/endpoints/flight-sql/catalog-schemas.ts';
import { createSqlActions } from '../../src/endpoints/flight-sql/sql-actions.ts';
import { ArrowportError } from '../../src/errors.ts';
import type { Scenario } from './scenario-server.ts';

const numbers = (signed: boolean) =>
  createSchema([createField('number', { kind: 'int', bitWidth: 32, signed }, signed)]);
const noFields = createSchema([]);
const bytesOf = (text: string) => Buffer.from(text);
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

function createInfo(
  schema: ArrowSchema,
  flightDescriptor: FlightDescriptor,
  endpoint: readonly FlightEndpointMessage[],
): FlightInfoMessage {
  return { schema: encapsulateSchema(schema), flightDescriptor, endpoint, totalRecords: -1, totalBytes: -1 };
}

async function* oneBatch(schema: ArrowSchema, values: readonly number[]) {
  yield buildBatch(
    schema,
    values.map((value) => [value]),
  );
}

function createStream(schema: ArrowSchema, values: readonly number[]): FlightStream {
  return { schema, batches: oneBatch(schema, values) };
}

function invalid(message: string): ArrowportError {
  return new ArrowportError('OPTION_INVALID', message);
}

/** The user `arrow` with the password `flight`, which is also the token that the handshake gives. */
const basicAuth: Authenticator = {
  isEnabled: true,
  hasPublicMetrics: true,
  authenticate({ authorization }) {
    if (authorization.length === 1 && authorization[0] === 'Bearer flight')
      return { ...ANYONE, name: 'arrow' };
    throw new ArrowportError('UNAUTHENTICATED', 'invalid token');
  },
};

/** `auth:basic_proto` */
export const basicProtoScenario = (): Scenario => ({
  authenticator: basicAuth,
  producer: {
    actions: [
      {
        name: '',
        description: 'Who calls.',
        scopes: [],
        run: async (_body, _signal, call) => bytesOf(call.caller.name),
      },
    ],
  },
});

/** `middleware` */
export const middlewareScenario = (): Scenario => ({
  producer: {
    onCall: (call) => call.addHeader('x-middleware', String(call.readHeader('x-middleware')[0] ?? '')),
    async getFlightInfo(descriptor) {
      if (textOf(descriptor.cmd) !== 'success') throw invalid('unknown');
      const location = [{ uri: 'grpc+tcp://localhost:10010' }];
      return createInfo(noFields, descriptor, [{ ticket: { ticket: bytesOf('foo') }, location }]);
    },
  },
});

/** `ordered` */
export const orderedScenario = (): Scenario => {
  const schema = numbers(true);
  const field = createSchema(schema.fields.map((one) => ({ ...one, nullable: false })));
  const parts: Readonly<Record<string, readonly number[]>> = {
    '1': [1, 2, 3],
    '2': [10, 20, 30],
    '3': [100, 200, 300],
  };
  return {
    producer: {
      async getFlightInfo(descriptor) {
        const endpoints = Object.keys(parts).map((part) => ({
          ticket: { ticket: bytesOf(part) },
          location: [],
        }));
        return { ...createInfo(field, descriptor, endpoints), ordered: textOf(descriptor.cmd) === 'ordered' };
      },
      doGet: async (ticket) => createStream(field, parts[textOf(ticket)] ?? []),
    },
  };
};

interface EndpointState {
  expiresAt: number | null;
  gets: number;
  isCancelled: boolean;
}

function toTimestamp(ms: number): TimestampMessage {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

/** `expiration_time:*` */
export const expirationScenario = (): Scenario => {
  const schema = createSchema(numbers(false).fields);
  let states: EndpointState[] = [];
  const find = (ticket: Uint8Array): { index: number; state: EndpointState } => {
    const index = Number.parseInt(textOf(ticket), 10);
    const state = states[index];
    if (state === undefined) throw invalid('Invalid flight.');
    return { index, state };
  };
  const addEndpoint = (label: string, expiresAt: number | null): FlightEndpointMessage => {
    states.push({ expiresAt, gets: 0, isCancelled: false });
    const ticket = { ticket: bytesOf(`${states.length - 1}: ${label}`) };
    return {
      ticket,
      location: [],
      ...(expiresAt === null ? {} : { expirationTime: toTimestamp(expiresAt) }),
    };
  };
  const unused = async () => {
    throw invalid('This is not asked for here.');
  };
  const actions = createSqlActions({
    describe: unused,
    schemaOf: unused,
    read: unused,
    async cancelFlightInfo({ endpoint }) {
      for (const { ticket } of endpoint) {
        const { state } = find(ticket.ticket);
        if (state.isCancelled) return cancelStatus.NOT_CANCELLABLE;
        state.isCancelled = true;
      }
      return cancelStatus.CANCELLED;
    },
    async renewFlightEndpoint(endpoint) {
      const { state } = find(endpoint.ticket.ticket);
      state.expiresAt = Date.now() + 1_000_000;
      const ticket = { ticket: bytesOf(`${textOf(endpoint.ticket.ticket)}: renewed`) };
      return { ...endpoint, ticket, expirationTime: toTimestamp(state.expiresAt) };
    },
  });
  const producer: FlightProducer = {
    // The scenario's list of actions knows nothing of Flight SQL.
    actions: actions.filter(({ name }) => name !== 'CancelQuery'),
    async getFlightInfo(descriptor) {
      states = [];
      return createInfo(schema, descriptor, [
        addEndpoint('No expiration time', null),
        addEndpoint('500 seconds', Date.now() + 500_000),
        addEndpoint('600 seconds', Date.now() + 600_000),
      ]);
    },
    async doGet(ticket) {
      const { index, state } = find(ticket);
      if (state.isCancelled) throw invalid('Invalid flight: cancelled.');
      if (state.expiresAt === null && state.gets > 0)
        throw invalid("Invalid flight: can't read multiple times.");
      if (state.expiresAt !== null && state.expiresAt < Date.now()) throw invalid('Invalid flight: expired.');
      state.gets++;
      return createStream(schema, [index]);
    },
  };
  return { producer };
};

/** `poll_flight_info` */
export const pollScenario = (): Scenario => ({
  producer: {
    async pollFlightInfo(descriptor) {
      const ticket = { ticket: bytesOf('long-running query') };
      const info = createInfo(numbers(false), descriptor, [{ ticket, location: [] }]);
      if (textOf(descriptor.cmd) === 'poll') return { info, progress: 1 };
      const next = { type: descriptorType.CMD, cmd: bytesOf('poll'), path: [] };
      return {
        info,
        flightDescriptor: next,
        progress: 0.1,
        expirationTime: toTimestamp(Date.now() + 10_000),
      };
    },
  },
});

/** `app_metadata_flight_info_endpoint` */
export const appMetadataScenario = (): Scenario => ({
  producer: {
    async getFlightInfo(descriptor) {
      const appMetadata = descriptor.cmd;
      const endpoint = { ticket: { ticket: new Uint8Array(0) }, location: [], appMetadata };
      return { ...createInfo(numbers(false), descriptor, [endpoint]), appMetadata };
    },
  },
});

/** `location:reuse_connection` */
export const reuseConnectionScenario = (): Scenario => ({
  producer: {
    async getFlightInfo(descriptor) {
      const location = [{ uri: 'arrow-flight-reuse-connection://?' }];
      return createInfo(noFields, descriptor, [{ ticket: { ticket: bytesOf('reuse') }, location }]);
    },
  },
});

const COOKIE = 'arrow_flight_session_id';

/** `session_options` */
export const sessionOptionsScenario = (): Scenario => {
  const sessions = new Map<string, Map<string, SessionOptionValueMessage>>();
  const unused = async () => {
    throw invalid('This is not asked for here.');
  };
  const producer: FlightProducer = {
    onCall(call) {
      if (findId(call.readHeader('cookie')) !== undefined) return;
      const id = String(sessions.size + 1);
      sessions.set(id, new Map());
      call.addHeader('set-cookie', `${COOKIE}=${id}`);
    },
    actions: createSqlActions({
      describe: unused,
      schemaOf: unused,
      read: unused,
      async setSessionOptions({ sessionOptions }, call) {
        const options = sessions.get(findId(call.readHeader('cookie')) ?? '1') ?? new Map();
        const errors: Record<string, { value: number }> = {};
        for (const [name, value] of Object.entries(sessionOptions)) {
          if (name === 'lol_invalid') errors[name] = { value: sessionOptionError.INVALID_NAME };
          else if (value.stringValue === 'lol_invalid')
            errors[name] = { value: sessionOptionError.INVALID_VALUE };
          else if (Object.keys(value).length === 0) options.delete(name);
          else options.set(name, value);
        }
        return { errors };
      },
      getSessionOptions: async (call) => ({
        sessionOptions: Object.fromEntries(sessions.get(findId(call.readHeader('cookie')) ?? '1') ?? []),
      }),
      closeSession: async () => 1,
    }),
  };
  return { producer };
};

function findId(cookies: readonly (string | Buffer)[]): string | undefined {
  return new RegExp(`${COOKIE}=(\\w+)`).exec(cookies.join('; '))?.[1];
}
