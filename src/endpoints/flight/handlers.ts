import { once } from 'node:events';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Authenticator } from '../../core/auth.ts';
import { ArrowportError } from '../../errors.ts';
import { endsWhatBegan, type FlightAction, runAction } from './actions.ts';
import type { CallRunner } from './call-runner.ts';
import { type CallScope, throwIfEnded } from './call-scope.ts';
import { type DoPutContext, doPut } from './do-put.ts';
import { answerStream, createFlightRunner, type OpenFlightCall } from './flight-call.ts';
import { shakeHands } from './handshake.ts';
import type {
  ActionMessage,
  ActionTypeMessage,
  FlightInfoMessage,
  HandshakeMessage,
  PutResultMessage,
  ResultMessage,
} from './messages.ts';
import type { FlightProducer } from './producer.ts';
import { createReadingHandlers, notOffered } from './reading-handlers.ts';
import { type Received, readRequest } from './service.ts';

/** What the handlers of the Flight service need. */
export interface HandlerContext {
  readonly runner: CallRunner;
  readonly authenticator: Authenticator;
  readonly actions: ReadonlyMap<string, FlightAction>;
  readonly producer: FlightProducer;
  /** Asked at the start of each DoPut, so that a reload counts from the next one on. */
  doPutContext(): DoPutContext;
}

/** Makes the implementation of every method of the Flight service. */
export function createHandlers(context: HandlerContext): UntypedServiceImplementation {
  const { runner, producer } = context;
  const run = createFlightRunner(runner, producer);
  const DoPut: handleBidiStreamingCall<never, PutResultMessage> = (call) =>
    run('DoPut', call, answerStream(call), (scope, flightCall) =>
      doPut(call, scope, { ...context.doPutContext(), producer, flightCall }),
    );
  const Handshake: handleBidiStreamingCall<Received<HandshakeMessage>, HandshakeMessage> = (call) =>
    runner.run('Handshake', call, answerStream(call), (scope) =>
      shakeHands(call, scope, context.authenticator),
    );
  const DoAction: handleServerStreamingCall<Received<ActionMessage>, ResultMessage> = (call) => {
    const { request } = call;
    const runBody = async (scope: CallScope, flightCall: OpenFlightCall) => {
      const results = runAction(context.actions, readRequest(request), flightCall);
      for await (const body of results) {
        flightCall.sendHeaders();
        await writeInStep(call, { body }, scope);
      }
      return undefined;
    };
    const isEnding = !(request instanceof ArrowportError) && endsWhatBegan(request.type);
    run('DoAction', call, answerStream(call), runBody, { endsWhatBegan: isEnding });
  };
  const ListActions: handleServerStreamingCall<unknown, ActionTypeMessage> = (call) =>
    run('ListActions', call, answerStream(call), async (scope, flightCall) => {
      flightCall.sendHeaders();
      for (const { name, description } of context.actions.values()) {
        await writeInStep(call, { type: name, description }, scope);
      }
      return undefined;
    });
  const ListFlights: handleServerStreamingCall<Received<{ expression: Uint8Array }>, FlightInfoMessage> = (
    call,
  ) =>
    run('ListFlights', call, answerStream(call), async (scope, flightCall) => {
      if (producer.listFlights === undefined) throw notOffered('ListFlights');
      const { expression } = readRequest(call.request);
      for await (const info of producer.listFlights(expression, flightCall)) {
        flightCall.sendHeaders();
        await writeInStep(call, info, scope);
      }
      return undefined;
    });
  const reading = createReadingHandlers(run, { producer, limits: () => context.doPutContext().limits });
  return { Handshake, DoPut, DoAction, ListActions, ListFlights, ...reading };
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
