import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { FlightCall } from './call-context.ts';
import type { CallAnswer, CallRunner, RunOptions } from './call-runner.ts';
import type { CallScope, ServerCall } from './call-scope.ts';
import type { FlightProducer } from './producer.ts';

/** A call with the headers of its answer, which are sent once. */
export interface OpenFlightCall extends FlightCall {
  /** Sends what headers were added, unless it was done. */
  sendHeaders(): void;
}

/** A gRPC call that can be answered with headers. */
export interface AnsweredCall extends ServerCall {
  sendMetadata(headers: Metadata): void;
}

/** Runs a call as the runner does, its body given the call as handlers see it. */
export type FlightRunner = (
  name: string,
  call: AnsweredCall,
  answer: CallAnswer,
  body: (scope: CallScope, flightCall: OpenFlightCall) => Promise<Metadata | undefined>,
  options?: RunOptions,
) => void;

/** Makes the runner of calls that a producer answers, or may: it sees each, and may add headers to its answer. */
export function createFlightRunner(runner: CallRunner, producer: FlightProducer): FlightRunner {
  return (name, call, answer, body, options) => {
    const headers = new Metadata();
    let sent = false;
    const sendHeaders = () => {
      if (sent || call.cancelled) return;
      sent = true;
      call.sendMetadata(headers);
    };
    // An answer without headers of its own is one frame shorter.
    const finishHeaders = () => {
      if (Object.keys(headers.getMap()).length > 0) sendHeaders();
    };
    const answerWithHeaders: CallAnswer = {
      succeed(trailers) {
        finishHeaders();
        answer.succeed(trailers);
      },
      fail(status) {
        finishHeaders();
        answer.fail(status);
      },
    };
    const runBody = async (scope: CallScope) => {
      const flightCall: OpenFlightCall = {
        requestId: scope.requestId,
        caller: scope.caller,
        signal: scope.signal,
        connection: scope.transport.connection(),
        readHeader: (header) => call.metadata.get(header),
        addHeader: (header, value) => headers.add(header, value),
        sendHeaders,
      };
      producer.onCall?.(flightCall);
      return await body(scope, flightCall);
    };
    runner.run(name, call, answerWithHeaders, runBody, options);
  };
}

interface WritableCall {
  end(trailers?: Metadata): unknown;
  emit(event: 'error', status: StatusObject): boolean;
}

/** Answers a call whose answer is a stream. */
export function answerStream(call: WritableCall): CallAnswer {
  return {
    succeed: (trailers) => call.end(trailers ?? new Metadata()),
    fail: (status) => call.emit('error', status),
  };
}
