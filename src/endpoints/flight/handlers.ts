import { once } from 'node:events';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Authenticator } from '../../core/auth.ts';
import { type FlightAction, runAction } from './actions.ts';
import type { CallAnswer, CallRunner } from './call-runner.ts';
import { type CallScope, throwIfEnded } from './call-scope.ts';
import { type DoPutContext, doPut } from './do-put.ts';
import { shakeHands } from './handshake.ts';
import type {
  ActionMessage,
  ActionTypeMessage,
  HandshakeMessage,
  PutResultMessage,
  ResultMessage,
} from './messages.ts';
import { type Received, readRequest } from './service.ts';
import { UnimplementedError } from './status.ts';

/** What the handlers of the Flight service need. */
export interface HandlerContext {
  readonly runner: CallRunner;
  readonly authenticator: Authenticator;
  readonly actions: ReadonlyMap<string, FlightAction>;
  /** Asked at the start of each DoPut, so that a reload counts from the next one on. */
  doPutContext(): DoPutContext;
}

/** Makes the implementation of every method of the Flight service. */
export function createHandlers(context: HandlerContext): UntypedServiceImplementation {
  const { runner } = context;
  const DoPut: handleBidiStreamingCall<never, PutResultMessage> = (call) =>
    runner.run('DoPut', call, answerStream(call), (scope) => doPut(call, scope, context.doPutContext()));
  const Handshake: handleBidiStreamingCall<Received<HandshakeMessage>, HandshakeMessage> = (call) =>
    runner.run('Handshake', call, answerStream(call), (scope) =>
      shakeHands(call, scope, context.authenticator),
    );
  const DoAction: handleServerStreamingCall<Received<ActionMessage>, ResultMessage> = (call) =>
    runner.run('DoAction', call, answerStream(call), async (scope) => {
      const results = runAction(context.actions, readRequest(call.request), scope);
      for await (const body of results) await writeInStep(call, { body }, scope);
      return undefined;
    });
  const ListActions: handleServerStreamingCall<unknown, ActionTypeMessage> = (call) =>
    runner.run('ListActions', call, answerStream(call), async (scope) => {
      for (const { name, description } of context.actions.values()) {
        await writeInStep(call, { type: name, description }, scope);
      }
      return undefined;
    });
  return { Handshake, DoPut, DoAction, ListActions, ...createUnofferedHandlers(runner) };
}

function createUnofferedHandlers(runner: CallRunner): UntypedServiceImplementation {
  const refuse = (name: string) => async () => {
    throw new UnimplementedError(
      `${name} is not offered by this server; it takes DoPut, DoAction, ListActions and Handshake.`,
    );
  };
  const unary =
    (name: string): handleUnaryCall<unknown, unknown> =>
    (call, callback) => {
      const answer = { succeed: () => callback(null), fail: (status: StatusObject) => callback(status) };
      runner.run(name, call, answer, refuse(name));
    };
  const serverStream =
    (name: string): handleServerStreamingCall<unknown, unknown> =>
    (call) =>
      runner.run(name, call, answerStream(call), refuse(name));
  const DoExchange: handleBidiStreamingCall<unknown, unknown> = (call) =>
    runner.run('DoExchange', call, answerStream(call), refuse('DoExchange'));
  return {
    ListFlights: serverStream('ListFlights'),
    GetFlightInfo: unary('GetFlightInfo'),
    PollFlightInfo: unary('PollFlightInfo'),
    GetSchema: unary('GetSchema'),
    DoGet: serverStream('DoGet'),
    DoExchange,
  };
}

interface WritableCall {
  end(trailers?: Metadata): unknown;
  emit(event: 'error', status: StatusObject): boolean;
}

function answerStream(call: WritableCall): CallAnswer {
  return {
    succeed: (trailers) => call.end(trailers ?? new Metadata()),
    fail: (status) => call.emit('error', status),
  };
}

interface MessageSink<T> extends NodeJS.EventEmitter {
  write(message: T): boolean;
}

async function writeInStep<T>(call: MessageSink<T>, message: T, scope: CallScope): Promise<void> {
  throwIfEnded(scope.signal);
  if (call.write(message)) return;
  try {
    await once(call, 'drain', { signal: scope.signal });
  } catch {
    throwIfEnded(scope.signal);
  }
}
