import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { CommitReceipt } from '../core/receipt.ts';
import { codecs, descriptorType, type PutResultMessage } from '../endpoints/flight/messages.ts';
import { trailer } from '../endpoints/flight/status.ts';
import { encodeFlightData } from '../endpoints/flight/wire.ts';
import { CliFailure } from './failure.ts';
import {
  isReceipt,
  messageBytes,
  readOutcome,
  SendFailure,
  type SendLoad,
  type SendRequest,
} from './ingest-send.ts';
import { describeRefusal, type ServerConnection, toUnreachable } from './server-connection.ts';

const doPutPath = '/arrow.flight.protocol.FlightService/DoPut';

type PutCall = ClientDuplexStream<Buffer, PutResultMessage>;

/** Sends a load as one Flight DoPut with a PATH descriptor, no faster than the server reads. */
export const sendOverFlight: SendLoad = async (request) => {
  const { connection } = request;
  const isTls = connection.url.protocol === 'https:';
  const port = connection.url.port || (isTls ? '443' : '80');
  const client = new Client(
    `${connection.url.hostname}:${port}`,
    isTls ? createTlsCredentials(connection) : credentials.createInsecure(),
    {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
      ...(isTls && isIP(bareHost(connection)) !== 0
        ? { 'grpc.ssl_target_name_override': NAME_OF_NO_HOST }
        : {}),
    },
  );
  const call: PutCall = client.makeBidiStreamRequest(
    doPutPath,
    (message: Buffer) => message,
    (bytes: Buffer) => codecs.putResult.decode(bytes),
    createMetadata(request),
  );
  try {
    const exchange = new PutExchange(call, connection);
    await sendMessages(exchange, request);
    return await exchange.finish();
  } catch (error) {
    call.cancel();
    throw error;
  } finally {
    client.close();
  }
};

/** An address is no server name of TLS; the gRPC library sends it as one all the same, unless another is given. */
const NAME_OF_NO_HOST = 'localhost';

function bareHost({ url }: ServerConnection): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** The certificate must be for the host of the URL, whatever server name is sent. */
function createTlsCredentials(connection: ServerConnection): ChannelCredentials {
  const { tls } = connection;
  const read = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  try {
    return credentials.createSsl(read(tls.ca), read(tls.key), read(tls.cert), {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(bareHost(connection), certificate),
    });
  } catch (cause) {
    throw new CliFailure('usage', 'the files of --ca, --cert and --key are no PEM files that fit together', {
      cause,
    });
  }
}

function createMetadata({ connection, idempotencyKey }: SendRequest): Metadata {
  const metadata = new Metadata();
  if (connection.token !== null) metadata.set('authorization', `Bearer ${connection.token}`);
  if (idempotencyKey !== null) metadata.set('idempotency-key', idempotencyKey);
  return metadata;
}

async function sendMessages(exchange: PutExchange, { stream, source, onSent }: SendRequest): Promise<void> {
  const descriptor = codecs.flightDescriptor.encode({
    type: descriptorType.PATH,
    cmd: new Uint8Array(0),
    path: [stream],
  });
  await exchange.write(encodeFlightData({ descriptor, header: source.schemaMetadata }));
  for await (const message of source.messages()) {
    if (exchange.isAnswered) break;
    await exchange.write(encodeFlightData({ header: message.metadata, body: message.body }));
    onSent(message.rows, messageBytes(message));
  }
}

/** One DoPut with its receipts, and its status, which may come before everything is sent. */
class PutExchange {
  readonly #call: PutCall;
  readonly #ended: Promise<SendFailure | null>;
  #receipt: CommitReceipt | undefined;
  #isAnswered = false;
  #isSent = false;

  constructor(call: PutCall, connection: ServerConnection) {
    this.#call = call;
    this.#ended = new Promise((resolve) => {
      const settle = (failure: SendFailure | null) => {
        this.#isAnswered = true;
        resolve(failure);
      };
      call.on('data', ({ appMetadata }: PutResultMessage) => this.#takeReceipt(appMetadata));
      call.once('error', (error: ServiceError) => settle(this.#toSendFailure(error, connection)));
      call.once('end', () => settle(null));
    });
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Resolves when the call wants more, or when it is over. */
  async write(message: Buffer): Promise<void> {
    if (this.#isAnswered || this.#call.write(message)) return;
    const drained = new Promise<void>((resolve) => this.#call.once('drain', resolve));
    await Promise.race([drained, this.#ended]);
  }

  async finish(): Promise<CommitReceipt> {
    this.#isSent = true;
    if (!this.#isAnswered) this.#call.end();
    const failure = await this.#ended;
    if (failure !== null) throw failure;
    if (this.#receipt !== undefined) return this.#receipt;
    throw new CliFailure('refused', 'the server ended the DoPut without a receipt: check --url');
  }

  #takeReceipt(appMetadata: Uint8Array): void {
    const receipt: unknown = JSON.parse(Buffer.from(appMetadata).toString('utf8'));
    if (isReceipt(receipt)) this.#receipt = receipt;
  }

  #toSendFailure(error: ServiceError, connection: ServerConnection): SendFailure {
    const code = first(error.metadata, trailer.errorCode);
    if (code === undefined) {
      const failure =
        error.code === status.UNAVAILABLE
          ? toUnreachable(
              Object.assign(new Error(error.details), { code: findSystemCode(error.details) }),
              connection,
            )
          : new CliFailure('refused', `${status[error.code]}: ${error.details}`, { label: 'refused' });
      if (error.code !== status.UNAVAILABLE) return new SendFailure(failure, 'rejected');
      return new SendFailure(failure, this.#isSent ? 'unknown' : 'unsent');
    }
    const outcome = readOutcome(first(error.metadata, trailer.outcome));
    const retryAfterMs = Number(first(error.metadata, trailer.retryAfterMs));
    const detail = error.details.startsWith(`${code}: `)
      ? error.details.slice(code.length + 2)
      : error.details;
    const problem = {
      type: 'about:blank',
      title: 'The server refused the load',
      code,
      outcome,
      detail,
      grpc_status: status[error.code],
      request_id: first(error.metadata, trailer.requestId),
    };
    const failure = new CliFailure('refused', describeRefusal(code, detail), { label: 'refused', problem });
    // What is durable already would be written a second time.
    const isSafe = this.#receipt === undefined || outcome === 'rejected';
    return new SendFailure(
      failure,
      isSafe ? outcome : 'unknown',
      Number.isFinite(retryAfterMs) && retryAfterMs > 0 ? retryAfterMs : null,
    );
  }
}

function first(metadata: Metadata, key: string): string | undefined {
  return metadata.get(key)[0]?.toString();
}

function findSystemCode(details: string): string | undefined {
  return /\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ECONNRESET|ETIMEDOUT|EHOSTUNREACH)\b/.exec(details)?.[1];
}
