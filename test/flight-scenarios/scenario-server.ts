import type { Authenticator } from '../../src/core/auth.ts';
import type { IngestObserver } from '../../src/core/observer.ts';
import { createFlightEndpoint } from '../../src/endpoints/flight/endpoint.ts';
import type { FlightProducer } from '../../src/endpoints/flight/producer.ts';
import { createPort } from '../../src/endpoints/port.ts';
import { ArrowportError } from '../../src/errors.ts';
import type { CleanupOwner } from '../support/temp-folder.ts';

/** What one of Arrow's integration scenarios asks of a server. */
export interface Scenario {
  readonly producer: FlightProducer;
  readonly authenticator?: Authenticator;
}

const nothing = () => undefined;

const silentObserver: IngestObserver = {
  streamOpened: nothing,
  batchReceived: nothing,
  batchDecoded: nothing,
  loadCommitted: nothing,
  loadFailed: nothing,
  streamClosed: nothing,
  requestFailed: nothing,
  admissionRejected: nothing,
  inflightBytes: nothing,
};

/** Serves a scenario over the product's Flight layer on a port of its own; resolves with the port. */
export async function serveScenario(owner: CleanupOwner, scenario: Scenario): Promise<number> {
  const endpoint = createFlightEndpoint({
    ...scenario,
    ingestor: {
      ingest: async () => {
        throw new ArrowportError('INTERNAL', 'The scenarios load no streams.');
      },
    },
    observer: silentObserver,
    actions: [],
    settings: () => ({
      maxMessageBytes: 268_435_456,
      maxDecompressedRatio: 200,
      idleTimeoutSeconds: 60,
      maxStreams: 256,
    }),
    onConnectionCount: nothing,
  });
  const port = createPort({
    key: 'port',
    host: '127.0.0.1',
    port: 0,
    onHttp2: endpoint.acceptConnection,
    onHttp1: (socket) => socket.destroy(),
  });
  const address = await port.listen();
  owner.after(async () => {
    await port.close();
    await endpoint.stop(0);
  });
  return address.port;
}
