"""Rows out: a version of a table, or its changes, as a stream of bytes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import IO, Any, cast

from arro3.core import DataType, RecordBatch, RecordBatchReader
from arro3.core import Schema as ArrowSchema
from arro3.io import write_csv, write_ipc_stream, write_ndjson, write_parquet
from deltalake import DeltaTable

from .errors import WorkerError
from .expressions import check_whole, classify_expression
from .frames import FrameConnection
from .requests import Context
from .versions import open_version

_FRAME_BYTES = 1 << 20
_PARQUET_ROW_GROUP = 122_880
_OF_CHANGES = frozenset(("_change_type", "_commit_version", "_commit_timestamp"))


class OutgoingStream(io.RawIOBase):
    """A file whose bytes leave in data frames; blocks while the peer does not read."""

    def __init__(self, connection: FrameConnection) -> None:
        self._connection = connection
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.failure: BaseException | None = None
        self.bytes_sent = 0

    @property
    def untouched(self) -> bool:
        """Whether nothing was written yet."""
        return self._pending_bytes == 0 and self.bytes_sent == 0

    def writable(self) -> bool:
        """Always true; native writers ask."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; sends them when a frame is full."""
        piece = bytes(data)
        self._pending.append(piece)
        self._pending_bytes += len(piece)
        if self._pending_bytes >= _FRAME_BYTES:
            self.flush()
        return len(piece)

    def flush(self) -> None:
        """Send what is pending."""
        if not self._pending_bytes:
            return
        payload = b"".join(self._pending)
        self._pending = []
        self._pending_bytes = 0
        try:
            self._connection.send({"data": True}, payload)
        except BaseException as error:
            self.failure = self.failure or error
            raise
        self.bytes_sent += len(payload)


def read(context: Context) -> dict[str, Any]:
    """Send the rows of one version."""
    args = context.args
    table = open_version(context)
    columns = args.texts("columns") or None
    _check_columns(table, columns)
    condition = _find_filter(context)
    try:
        reader = table.scan(columns=columns, predicate=condition)
    except Exception as error:
        if condition is None:
            raise
        raise classify_expression(error) from error
    wanted = columns or [str(field.name) for field in table.schema().fields]
    target = _select(table.schema().to_arrow(), wanted)
    return _send(context, reader, target, wanted, table.version())


def changes(context: Context) -> dict[str, Any]:
    """Send the change data feed of a range of versions."""
    args = context.args
    table = context.cached.require()
    if table.metadata().configuration.get("delta.enableChangeDataFeed") != "true":
        raise WorkerError("invalid", "The table has no change data feed; set delta.enableChangeDataFeed.")
    columns = args.texts("columns") or None
    _check_columns(table, columns, _OF_CHANGES)
    first = args.integer("from", 0)
    last = args.find_int("to")
    if first > table.version():
        raise WorkerError("version_not_found", f"The table has no version {first}.")
    if last is not None and last < first:
        raise WorkerError("invalid", "to must not be before from.")
    condition = _find_filter(context)
    try:
        reader = table.load_cdf(
            starting_version=first,
            ending_version=last,
            columns=columns,
            predicate=condition,
            allow_out_of_range=True,
        )
    except Exception as error:
        if condition is None:
            raise
        raise classify_expression(error) from error
    names = [str(name) for name in reader.schema.names]
    return _send(context, reader, _plain(reader.schema), names, table.version())


def _find_filter(context: Context) -> str | None:
    condition = context.args.find_text("filter")
    if condition is not None:
        check_whole("filter", condition)
    return condition


def _send(
    context: Context, reader: RecordBatchReader, target: ArrowSchema, columns: list[str], version: int
) -> dict[str, Any]:
    counted = _Counted(reader, target, columns, context.args.find_int("limit"))
    out = OutgoingStream(context.connection)
    context.connection.send({"version": version})
    source = RecordBatchReader.from_batches(target, counted)
    try:
        write_rows(context.args.find_text("format") or "arrow", source, out, context.args.find_text("compression"))
        out.flush()
    except BaseException as error:
        if out.failure is not None:
            raise out.failure from None
        if version < context.cached.require().version() and re.search(r"not found|no such file", str(error), re.I):
            raise WorkerError("version_not_found", f"Files of version {version} were vacuumed.") from error
        if isinstance(error, Exception) and context.args.find_text("filter") is not None:
            raise classify_expression(error) from error
        raise
    return {"rows": counted.rows, "bytes": out.bytes_sent, "version": version}


def write_rows(name: str, source: RecordBatchReader, stream: OutgoingStream, compression: str | None) -> None:
    """Write rows in one of the formats: arrow, ndjson, csv, parquet."""
    out = cast(IO[bytes], stream)
    source_names = list(source.schema.names)
    if name == "arrow":
        if compression not in (None, "zstd", "lz4"):
            raise WorkerError("invalid", "compression must be zstd or lz4.")
        write_ipc_stream(source, out, compression=cast(Any, compression))
    elif name == "ndjson":
        write_ndjson(source, out, explicit_nulls=True)
    elif name == "csv":
        write_csv(source, out)
        if stream.untouched:
            stream.write(_csv_header(source_names))
    elif name == "parquet":
        write_parquet(
            source,
            out,
            compression="zstd(3)",
            max_row_group_size=_PARQUET_ROW_GROUP,
            skip_arrow_metadata=False,
        )
    else:
        raise WorkerError("invalid", "format must be arrow, ndjson, csv or parquet.")


def _csv_header(names: list[str]) -> bytes:
    """The first line, which the engine leaves out where there are no rows."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()


class _Counted:
    """Batches in the target's types, cut at the limit, counted."""

    def __init__(self, reader: RecordBatchReader, target: ArrowSchema, columns: list[str], limit: int | None) -> None:
        self._reader = reader
        self._target = target
        self._columns = columns
        self._limit = limit
        self.rows = 0

    def __iter__(self) -> Iterator[RecordBatch]:
        if self._limit == 0:
            return
        for batch in self._reader:
            taken = batch.num_rows
            if self._limit is not None:
                taken = min(taken, self._limit - self.rows)
            self.rows += taken
            yield self._in_target_types(batch.slice(0, taken))
            if self._limit is not None and self.rows >= self._limit:
                return

    def _in_target_types(self, batch: RecordBatch) -> RecordBatch:
        arrays = []
        for index, name in enumerate(self._columns):
            column = batch.column(name)
            wanted = self._target.field(index).type
            arrays.append(column if column.type == wanted else column.cast(wanted))
        return RecordBatch.from_arrays(arrays, schema=self._target)


def _check_columns(table: DeltaTable, columns: list[str] | None, more: frozenset[str] = frozenset()) -> None:
    known = {str(field.name) for field in table.schema().fields} | more
    for name in columns or []:
        if name not in known:
            raise WorkerError("invalid", f"The table has no column {name!r}.")
    if columns is not None and len(set(columns)) != len(columns):
        raise WorkerError("invalid", "columns names a column twice.")


def _select(schema: Any, columns: list[str]) -> ArrowSchema:
    arrow = ArrowSchema.from_arrow(schema)
    return ArrowSchema([arrow.field(name) for name in columns])


def _plain(schema: ArrowSchema) -> ArrowSchema:
    """The schema with plain strings and binaries where the engine gives views."""
    fields = []
    for index in range(len(schema.names)):
        field = schema.field(index)
        if DataType.is_string_view(field.type):
            field = field.with_type(DataType.string())
        elif DataType.is_binary_view(field.type):
            field = field.with_type(DataType.binary())
        fields.append(field)
    return ArrowSchema(fields)
