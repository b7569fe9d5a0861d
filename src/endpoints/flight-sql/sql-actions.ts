import type { Scope } from '../../core/auth.ts';
import { ArrowportError } from '../../errors.ts';
import type { FlightAction } from '../flight/actions.ts';
import type { FlightCall } from '../flight/call-context.ts';
import { codecs, type MessageCodec } from '../flight/messages.ts';
import { packMessage, unpackMessage } from './sql-command.ts';
import { type SqlCodec, sqlCodecs } from './sql-messages.ts';
import type { FlightSqlService } from './sql-service.ts';

const readers: readonly Scope[] = ['read', 'admin'];
const anyone: readonly Scope[] = [];
const NO_BYTES = new Uint8Array(0);

/** The actions of Flight SQL, and those of Flight about infos and sessions, that the service has. */
export function createSqlActions(service: FlightSqlService): readonly FlightAction[] {
  return [
    ...createPreparedActions(service),
    ...createTransactionActions(service),
    ...createInfoActions(service),
    ...createSessionActions(service),
  ];
}

function createPreparedActions(service: FlightSqlService): readonly FlightAction[] {
  const prepared = (message: Parameters<typeof sqlCodecs.preparedStatement.encode>[0]) =>
    packMessage('ActionCreatePreparedStatementResult', sqlCodecs.preparedStatement, message);
  const create = service.prepare?.bind(service);
  const createPlan = service.prepareSubstrait?.bind(service);
  const close = service.closePrepared?.bind(service);
  return [
    ...(create === undefined
      ? []
      : [
          sqlAction(
            'CreatePreparedStatement',
            'Prepares a SQL statement.',
            readers,
            sqlCodecs.statement,
            async (message, call) => prepared(await create(message, call)),
          ),
        ]),
    ...(createPlan === undefined
      ? []
      : [
          sqlAction(
            'CreatePreparedSubstraitPlan',
            'Prepares a Substrait plan.',
            readers,
            sqlCodecs.substraitStatement,
            async (message, call) => prepared(await createPlan(message, call)),
          ),
        ]),
    ...(close === undefined
      ? []
      : [
          sqlAction(
            'ClosePreparedStatement',
            'Closes a prepared statement.',
            readers,
            sqlCodecs.preparedHandle,
            async ({ preparedStatementHandle = NO_BYTES }, call) => {
              await close(preparedStatementHandle, call);
              return null;
            },
          ),
        ]),
  ];
}

function createTransactionActions(service: FlightSqlService): readonly FlightAction[] {
  const begin = service.beginTransaction?.bind(service);
  const end = service.endTransaction?.bind(service);
  const save = service.beginSavepoint?.bind(service);
  const endSave = service.endSavepoint?.bind(service);
  return [
    ...(begin === undefined
      ? []
      : [
          sqlAction(
            'BeginTransaction',
            'Begins a transaction.',
            anyone,
            sqlCodecs.transaction,
            async (_, call) =>
              packMessage('ActionBeginTransactionResult', sqlCodecs.transaction, {
                transactionId: await begin(call),
              }),
          ),
        ]),
    ...(end === undefined
      ? []
      : [
          sqlAction(
            'EndTransaction',
            'Commits a transaction or rolls it back.',
            anyone,
            sqlCodecs.endTransaction,
            async (message, call) => {
              await end(message, call);
              return null;
            },
          ),
        ]),
    ...(save === undefined
      ? []
      : [
          sqlAction(
            'BeginSavepoint',
            'Begins a savepoint.',
            anyone,
            sqlCodecs.beginSavepoint,
            async (message, call) =>
              packMessage('ActionBeginSavepointResult', sqlCodecs.savepoint, {
                savepointId: await save(message, call),
              }),
          ),
        ]),
    ...(endSave === undefined
      ? []
      : [
          sqlAction(
            'EndSavepoint',
            'Releases a savepoint or rolls back to it.',
            anyone,
            sqlCodecs.endSavepoint,
            async (message, call) => {
              await endSave(message, call);
              return null;
            },
          ),
        ]),
  ];
}

function createInfoActions(service: FlightSqlService): readonly FlightAction[] {
  const cancel = service.cancelFlightInfo?.bind(service);
  const renew = service.renewFlightEndpoint?.bind(service);
  return [
    ...(cancel === undefined
      ? []
      : [
          flightAction(
            'CancelFlightInfo',
            'Cancels what a FlightInfo stands for.',
            readers,
            codecs.cancelFlightInfo,
            async ({ info }, call) =>
              codecs.cancelFlightInfoResult.encode({ status: await cancel(required(info, 'info'), call) }),
          ),
          sqlAction(
            'CancelQuery',
            'Cancels a query; CancelFlightInfo is its successor.',
            readers,
            sqlCodecs.cancelQuery,
            async ({ info = NO_BYTES }, call) => {
              const decoded = decodeMessage(codecs.flightInfo, info);
              const result = await cancel(decoded, call);
              return packMessage('ActionCancelQueryResult', sqlCodecs.cancelQueryResult, { result });
            },
          ),
        ]),
    ...(renew === undefined
      ? []
      : [
          flightAction(
            'RenewFlightEndpoint',
            "Puts off the end of an endpoint's ticket.",
            readers,
            codecs.renewFlightEndpoint,
            async ({ endpoint }, call) =>
              codecs.flightEndpoint.encode(await renew(required(endpoint, 'endpoint'), call)),
          ),
        ]),
  ];
}

function createSessionActions(service: FlightSqlService): readonly FlightAction[] {
  const set = service.setSessionOptions?.bind(service);
  const get = service.getSessionOptions?.bind(service);
  const close = service.closeSession?.bind(service);
  return [
    ...(set === undefined
      ? []
      : [
          flightAction(
            'SetSessionOptions',
            'Sets options of the session.',
            anyone,
            codecs.sessionOptions,
            async (options, call) => codecs.setSessionOptionsResult.encode(await set(options, call)),
          ),
        ]),
    ...(get === undefined
      ? []
      : [
          flightAction(
            'GetSessionOptions',
            'Answers the options of the session.',
            anyone,
            codecs.empty,
            async (_, call) => codecs.sessionOptions.encode(await get(call)),
          ),
        ]),
    ...(close === undefined
      ? []
      : [
          flightAction('CloseSession', 'Closes the session.', anyone, codecs.empty, async (_, call) =>
            codecs.closeSessionResult.encode({ status: await close(call) }),
          ),
        ]),
  ];
}

/** An action whose body is a message of Flight SQL in an `Any`. */
function sqlAction<T>(
  name: string,
  description: string,
  scopes: readonly Scope[],
  codec: SqlCodec<T>,
  run: (message: T, call: FlightCall) => Promise<Uint8Array | null>,
): FlightAction {
  const decode = (body: Uint8Array) => unpackMessage(body, `Action${name}Request`, codec);
  return createAction(name, description, scopes, decode, run);
}

/** An action whose body is a message of Flight. */
function flightAction<T>(
  name: string,
  description: string,
  scopes: readonly Scope[],
  codec: MessageCodec<T>,
  run: (message: T, call: FlightCall) => Promise<Uint8Array | null>,
): FlightAction {
  return createAction(name, description, scopes, (body) => decodeMessage(codec, body), run);
}

function createAction<T>(
  name: string,
  description: string,
  scopes: readonly Scope[],
  decode: (body: Uint8Array) => T,
  run: (message: T, call: FlightCall) => Promise<Uint8Array | null>,
): FlightAction {
  return {
    name,
    description,
    scopes,
    async *run(body, _signal, call) {
      const result = await run(decode(body), call);
      if (result !== null) yield result;
    },
  };
}

function decodeMessage<T>(codec: MessageCodec<T>, body: Uint8Array): T {
  try {
    return codec.decode(body);
  } catch (cause) {
    throw new ArrowportError('OPTION_INVALID', 'The body is not a valid message of the action.', { cause });
  }
}

function required<T>(value: T | null, name: string): T {
  if (value === null) throw new ArrowportError('OPTION_INVALID', `The body lacks "${name}".`);
  return value;
}
