"""A pyarrow Flight server (C++) that streams the result of the ticket's SQL from DuckDB in the same process."""

import sys

import duckdb
import pyarrow.flight as flight


class QueryServer(flight.FlightServerBase):
    def __init__(self, path: str) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._database = duckdb.connect(path, read_only=True)

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.RecordBatchStream:
        reader = self._database.cursor().execute(ticket.ticket.decode()).to_arrow_reader()
        return flight.RecordBatchStream(reader)


if __name__ == "__main__":
    server = QueryServer(sys.argv[1])
    print(server.port, flush=True)
    server.serve()
