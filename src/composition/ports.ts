import type { Socket } from 'node:net';
import type { Config } from '../config/schema.ts';
import { refuseMisdirected } from '../endpoints/misdirected.ts';
import { createPort, type Port, type TlsMaterial } from '../endpoints/port.ts';

/** Who takes the connections. */
export interface PortDoors {
  onHttp1(socket: Socket): void;
  onFlight(socket: Socket): void;
}

/** Where the ports were bound. */
export interface PortAddress {
  readonly host: string;
  readonly port: number;
  /** The same as `port` unless the configuration gives Flight a port of its own. */
  readonly flightPort: number;
}

/** What a server listens on: one port for both doors, or one for each. */
export interface Ports {
  /** Throws OPTION_INVALID when an address cannot be bound. */
  listen(config: Config, tls: TlsMaterial | null): Promise<PortAddress>;
  /** What connections are encrypted with from the next one on. */
  setTls(material: TlsMaterial): void;
  close(): Promise<void>;
}

/** Makes the ports of a server; nothing is bound before `listen`. */
export function createPorts({ onHttp1, onFlight }: PortDoors): Ports {
  const ports: Port[] = [];
  const open = async (port: Port) => {
    ports.push(port);
    return port.listen();
  };
  return {
    async listen({ host, port, flight_port }, tls) {
      const hasOwn = flight_port !== null && (flight_port === 0 || flight_port !== port);
      if (flight_port === null || !hasOwn) {
        const bound = await open(createPort({ tls, key: 'port', host, port, onHttp2: onFlight, onHttp1 }));
        return { ...bound, flightPort: bound.port };
      }
      // Known before any connection is there to be told of it.
      let flightPort = flight_port;
      const misled = (socket: Socket) =>
        refuseMisdirected(socket, `This port takes HTTP/1.1 alone; Arrow Flight is on port ${flightPort}.\n`);
      const bound = await open(createPort({ tls, key: 'port', host, port, onHttp2: misled, onHttp1 }));
      // With TLS the two sides agree on HTTP/2 or on nothing.
      const toHttp =
        tls === null
          ? (socket: Socket) =>
              refuseMisdirected(
                socket,
                `This port takes Arrow Flight alone (grpc://); HTTP is on port ${bound.port}.\n`,
              )
          : null;
      const own = { tls, key: 'flight_port', host, port: flight_port } as const;
      ({ port: flightPort } = await open(createPort({ ...own, onHttp2: onFlight, onHttp1: toHttp })));
      return { ...bound, flightPort };
    },
    setTls(material) {
      for (const port of ports) port.setTls(material);
    },
    async close() {
      await Promise.all(ports.map((port) => port.close()));
    },
  };
}
