"""The peer: a pyarrow Flight server that inserts each DoPut into a DuckDB file: flight_server.py DB_FILE.

Prints {"port": N} when it listens and ends when its standard input closes.
"""

import json
import sys
import threading

import duckdb
import pyarrow.flight as flight


class Server(flight.FlightServerBase):
    def __init__(self, db_file: str) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.database = duckdb.connect(db_file)

    def do_put(self, context, descriptor, reader, writer) -> None:
        table = descriptor.path[0].decode()
        rows = reader.to_reader()  # noqa: F841 - DuckDB finds it by its name
        with self.database.cursor() as connection:
            connection.execute("begin")
            connection.execute(f'create table if not exists "{table}" as from rows limit 0')
            (count,) = connection.execute(f'insert into "{table}" select * from rows').fetchone()
            connection.execute("commit")
        writer.write(json.dumps({"rows_processed": count}).encode())


def main() -> None:
    server = Server(sys.argv[1])
    print(json.dumps({"port": server.port}), flush=True)
    threading.Thread(target=server.serve, daemon=True).start()
    sys.stdin.read()
    server.database.close()
    server.shutdown()


main()
