import type { Socket } from 'node:net';
import type { Config } from '../config/schema.ts';
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
      const onHttp2 = hasOwn ? (socket: Socket) => void socket.destroy() : onFlight;
      const bound = await open(createPort({ tls, key: 'port', host, port, onHttp2, onHttp1 }));
      if (flight_port === null || !hasOwn) return { ...bound, flightPort: bound.port };
      const own = { tls, key: 'flight_port', host, port: flight_port } as const;
      const { port: flightPort } = await open(createPort({ ...own, onHttp2: onFlight, onHttp1: null }));
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
