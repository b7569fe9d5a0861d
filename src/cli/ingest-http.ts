import type { ClientRequest } from 'node:http';
import { endOfStream, frameMetadata } from '../arrow/stream-writer.ts';
import type { CommitReceipt } from '../core/receipt.ts';
import { CliFailure } from './failure.ts';
import { isReceipt, messageBytes, readOutcome, SendFailure, type SendLoad } from './ingest-send.ts';
import {
  openRequest,
  readAnswer,
  readJsonAnswer,
  type ServerAnswer,
  type ServerConnection,
} from './server-connection.ts';

/** Sends a load as one chunked `POST /ingest/{stream}`, no faster than the server reads. */
export const sendOverHttp: SendLoad = async (load) => {
  const { connection, stream, source, idempotencyKey, onSent } = load;
  const path = load.path ?? `/ingest/${encodeURIComponent(stream)}`;
  const request = openRequest(connection, 'POST', path, {
    'content-type': 'application/vnd.apache.arrow.stream',
    'transfer-encoding': 'chunked',
    ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }),
  });
  const exchange = new Exchange(request, connection);
  try {
    await exchange.write(frameMetadata(source.schemaMetadata));
    for await (const message of source.messages()) {
      if (exchange.isAnswered) break;
      await exchange.write(frameMetadata(message.metadata), message.body);
      onSent(message.rows, messageBytes(message));
    }
  } catch (error) {
    // Cut off, the body is no whole stream: nothing of it is committed.
    request.destroy();
    throw error;
  }
  return exchange.finish(endOfStream);
};

/** One request with its answer, which may come before the body is sent. */
class Exchange {
  readonly #request: ClientRequest;
  readonly #connection: ServerConnection;
  readonly #answer: Promise<ServerAnswer | SendFailure>;
  #isConnected = false;
  #isAnswered = false;
  #isSent = false;

  constructor(request: ClientRequest, connection: ServerConnection) {
    this.#request = request;
    this.#connection = connection;
    request.once('socket', (socket) => {
      const event = connection.url.protocol === 'https:' ? 'secureConnect' : 'connect';
      this.#isConnected = !socket.connecting;
      socket.once(event, () => {
        this.#isConnected = true;
      });
    });
    this.#answer = readAnswer(request, connection)
      .catch((error: Error) => this.#toSendFailure(error))
      .finally(() => {
        this.#isAnswered = true;
      });
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Resolves when the socket wants more, or when the answer is there. */
  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      if (this.#isAnswered || piece.length === 0) continue;
      if (this.#request.write(piece)) continue;
      const drained = new Promise<void>((resolve) => this.#request.once('drain', resolve));
      await Promise.race([drained, this.#answer]);
    }
  }

  async finish(end: Uint8Array): Promise<CommitReceipt> {
    if (!this.#isAnswered) {
      this.#isSent = true;
      this.#request.end(end);
    }
    const answer = await this.#answer;
    // Answered early, the rest of the body is not sent: the connection is of no more use.
    if (!this.#isSent) this.#request.destroy();
    if (answer instanceof SendFailure) throw answer;
    return readReceipt(answer, this.#connection);
  }

  #toSendFailure(error: Error): SendFailure {
    if (!this.#isConnected) return new SendFailure(error, 'unsent');
    if (!this.#isSent) return new SendFailure(error, 'retryable');
    const failure = new CliFailure(
      'unreachable',
      `${this.#connection.url.origin} closed the connection before its answer: the load may have been committed; look, or send it again with the same --idempotency-key`,
      { cause: error },
    );
    return new SendFailure(failure, 'unknown');
  }
}

function readReceipt(answer: ServerAnswer, connection: ServerConnection): CommitReceipt {
  try {
    const body = readJsonAnswer(answer, connection);
    if (isReceipt(body)) return body;
    throw new CliFailure('refused', `${connection.url.origin} answered without a receipt: check --url`);
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    throw new SendFailure(error, readOutcome(error.problem['outcome']), readRetryAfter(answer, error));
  }
}

function readRetryAfter(answer: ServerAnswer, failure: CliFailure): number | null {
  const exact = failure.problem['retry_after_ms'];
  if (typeof exact === 'number') return exact;
  const seconds = Number(answer.headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
}
