"""Parts of a version: rows of the same files each time they are asked for, so that copying can go on where it ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import obstore
from arro3.core import Array, DataType, RecordBatch, RecordBatchReader
from arro3.core import Schema as ArrowSchema
from arro3.io import read_parquet
from deltalake import DeltaTable

from .errors import WorkerError
from .locations import Location
from .log_files import open_store
from .reads import OutgoingStream, write_rows
from .requests import Context
from .versions import open_version

_PLAIN_FEATURES = frozenset(("timestampNtz", "v2Checkpoint", "v2CheckpointTableFeature", "vacuumProtocolCheck"))
_PARTITION = "partition."
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class _DataFile:
    path: str
    rows: int
    position: int


@dataclass(frozen=True)
class _Part:
    rows: int
    files: list[_DataFile]


def parts(context: Context) -> dict[str, Any]:
    """The rows of each part of a version."""
    table = open_version(context)
    found = _plan(context.location, table, context.args.integer("part_rows", 1))
    rows = [table.count()] if found is None else [part.rows for part in found]
    return {"version": table.version(), "rows": rows}


def read_part(context: Context) -> dict[str, Any]:
    """Send the rows of one part as an Arrow stream."""
    table = open_version(context)
    found = _plan(context.location, table, context.args.integer("part_rows", 1))
    number = context.args.integer("part", 0)
    target = ArrowSchema.from_arrow(table.schema().to_arrow())
    if found is None:
        source = _whole(table, target)
    elif number < len(found):
        source = _FileRows(context.location, table, found[number].files, target).batches()
    else:
        raise WorkerError("invalid", f"The version has no part {number}.")
    return _send(context, table, RecordBatchReader.from_batches(target, source), "arrow")


def read_files(context: Context) -> dict[str, Any]:
    """Send the rows of some of a version's files as Parquet."""
    table = open_version(context)
    wanted = set(context.args.texts("paths"))
    files = [file for file in _files(table) if unquote(file.path) in wanted]
    if len(files) != len(wanted) or not tells_rows_alone(table):
        raise WorkerError("invalid", "The version's files do not tell these rows.")
    target = ArrowSchema.from_arrow(table.schema().to_arrow())
    rows = _FileRows(context.location, table, files, target).batches()
    return _send(context, table, RecordBatchReader.from_batches(target, rows), "parquet")


def _send(context: Context, table: DeltaTable, source: RecordBatchReader, form: str) -> dict[str, Any]:
    out = OutgoingStream(context.connection)
    context.connection.send({"version": table.version()})
    try:
        write_rows(form, source, out, None)
        out.flush()
    except BaseException:
        if out.failure is not None:
            raise out.failure from None
        raise
    return {"bytes": out.bytes_sent, "version": table.version()}


def _plan(location: Location, table: DeltaTable, part_rows: int) -> list[_Part] | None:
    """Files in the order of their paths, gathered to parts; None where files do not tell their rows alone."""
    if not tells_rows_alone(table):
        return None
    files = _files(table)
    if any(file.rows < 0 for file in files):
        return None
    if files and _has_nanoseconds(location, files[0]):
        return None
    found: list[_Part] = []
    gathered: list[_DataFile] = []
    total = 0
    for file in sorted(files, key=lambda file: file.path):
        gathered.append(file)
        total += file.rows
        if total >= part_rows:
            found.append(_Part(total, gathered))
            gathered, total = [], 0
    if gathered or not found:
        found.append(_Part(total, gathered))
    return found


def _files(table: DeltaTable) -> list[_DataFile]:
    """The files of a version; -1 stands for rows that the log does not count."""
    actions = table.get_add_actions(flatten=True)
    paths = actions.column("path").to_pylist()
    rows = actions.column("num_records").to_pylist()
    return [
        _DataFile(str(path), -1 if count is None else int(count), position)
        for position, (path, count) in enumerate(zip(paths, rows, strict=True))
    ]


def tells_rows_alone(table: DeltaTable) -> bool:
    """Whether the rows of a table are those of its files, under the names that the table has."""
    protocol = table.protocol()
    if protocol.min_reader_version == 1:
        return True
    return protocol.min_reader_version == 3 and set(protocol.reader_features or []) <= _PLAIN_FEATURES


def _has_nanoseconds(location: Location, file: _DataFile) -> bool:
    """Whether times are kept in a form that only the table's own reader understands."""
    schema = _read(_open(location, None, file.path)).schema
    return any("ns" in str(field.type) for field in _fields(schema) if not field.type.is_nested(field.type))


def _read(file: Any) -> RecordBatchReader:
    try:
        return read_parquet(file, batch_size=_ROWS_AT_ONCE)
    except TypeError:
        # arro3-io for Python 3.10 reads batches of one size only.
        return read_parquet(file)


def _open(location: Location, store: Any, path: str) -> Any:
    plain = unquote(path)
    folder = location.local_path
    try:
        if folder is not None:
            return open(os.path.join(folder, plain), "rb")
        return obstore.open_reader(store or open_store(location), plain)
    except FileNotFoundError as error:
        raise WorkerError("version_not_found", "Files of the version were vacuumed.") from error


def _whole(table: DeltaTable, target: ArrowSchema) -> Iterator[RecordBatch]:
    for batch in table.scan():
        columns = [_cast(batch.column(field.name), field.type) for field in _fields(target)]
        yield RecordBatch.from_arrays(columns, schema=target)


class _FileRows:
    """The rows of some files, in the types of the table."""

    def __init__(self, location: Location, table: DeltaTable, files: list[_DataFile], target: ArrowSchema) -> None:
        self._location = location
        self._files = files
        self._target = target
        self._store = None if location.local_path is not None else open_store(location)
        self._partitions: dict[str, Any] = {}
        actions = table.get_add_actions(flatten=True)
        for name in actions.schema.names:
            if str(name).startswith(_PARTITION):
                self._partitions[str(name)[len(_PARTITION) :]] = actions.column(name).combine_chunks()

    def batches(self) -> Iterator[RecordBatch]:
        """Read file after file."""
        for file in self._files:
            for batch in _read(_open(self._location, self._store, file.path)):
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield self._in_target_types(batch.slice(start, min(_ROWS_AT_ONCE, batch.num_rows - start)), file)

    def _in_target_types(self, batch: RecordBatch, file: _DataFile) -> RecordBatch:
        names = {str(name) for name in batch.schema.names}
        columns = []
        for field in _fields(self._target):
            if field.name in self._partitions:
                value = self._partitions[field.name].slice(file.position, 1)
                columns.append(_cast(value.take(_zeros(batch.num_rows)), field.type))
            elif field.name in names:
                column = batch.column(field.name)
                _check(column.type, field.type, field.name)
                columns.append(_cast(column, field.type))
            else:
                columns.append(Array([None], type=field.type).take(_zeros(batch.num_rows)))
        return RecordBatch.from_arrays(columns, schema=self._target)


def _check(own: DataType, wanted: DataType, name: str) -> None:
    """Refuse what a cast would change: structs whose fields are others, and times of a finer unit."""
    if own == wanted:
        return
    text = str(own)
    if DataType.is_nested(own) and _shape(own) != _shape(wanted):
        raise WorkerError("invalid", f"Files of the table have other fields in column {name!r}; optimize it first.")
    if "ns" in text and DataType.is_timestamp(own):
        raise WorkerError(
            "invalid", f"Files of the table keep column {name!r} in nanoseconds; optimize the table first."
        )


def _shape(kind: DataType) -> Any:
    """The names of a type's fields, at every depth."""
    if DataType.is_struct(kind):
        return [(field.name, _shape(field.type)) for field in kind.fields]
    if DataType.is_list(kind) or DataType.is_large_list(kind):
        value = kind.value_type
        return ["list", None if value is None else _shape(value)]
    return "map" if DataType.is_map(kind) else None


def _cast(column: Any, wanted: DataType) -> Any:
    return column if column.type == wanted else column.cast(wanted)


def _fields(schema: ArrowSchema) -> Iterator[Any]:
    for index in range(len(schema.names)):
        yield schema.field(index)


_ZERO_INDICES = Array([0] * _ROWS_AT_ONCE, type=DataType.uint32())


def _zeros(length: int) -> Any:
    """Indices that all name the first value."""
    return _ZERO_INDICES.slice(0, length)


def rows_in_order(location: Location, table: DeltaTable) -> RecordBatchReader:
    """All rows of a table in its types, those of each file in their order where the files tell them alone."""
    target = ArrowSchema.from_arrow(table.schema().to_arrow())
    found = _plan(location, table, 1)
    if found is None:
        return RecordBatchReader.from_batches(target, _whole(table, target))
    files = [file for part in found for file in part.files]
    return RecordBatchReader.from_batches(target, _FileRows(location, table, files, target).batches())
