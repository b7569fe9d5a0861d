"""Which columns of a table's files are packed as differences, so that files that take their place are as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast
from urllib.parse import unquote

import obstore
from deltalake import DeltaTable, WriterProperties

from .locations import Location
from .log_files import open_store
from .logs import log, redact
from .parquet import with_packed, without_rounded_statistics, writer_properties

_MAGIC = b"PAR1"
_TAIL_BYTES = 64 << 10
_MOST_FOOTER_BYTES = 64 << 20
_DELTA_BINARY_PACKED = 5
_MOST_BITS = 63

# Fields of the footer: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
_ROW_GROUPS = 4
_COLUMNS = 1
_META_DATA = 3
_ENCODINGS = 2
_PATH = 3

# https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)


def replacing_properties(location: Location, table: DeltaTable, compression: str) -> WriterProperties:
    """How files are written that take the place of a table's own."""
    schema = table.schema()
    packed = with_packed(writer_properties(compression), schema, packed_columns(location, table))
    return without_rounded_statistics(packed, schema)


def packed_columns(location: Location, table: DeltaTable) -> list[str]:
    """The columns that are packed in the largest file of a table; none where it cannot be read. Never raises."""
    try:
        sizes = table._table.get_add_file_sizes()
        if not sizes:
            return []
        return _read(location, max(sizes, key=lambda path: sizes[path]))
    except Exception as error:
        log("debug", "a file's footer could not be read", error=redact(str(error))[:300])
        return []


def _read(location: Location, path: str) -> list[str]:
    plain = unquote(path)
    with _open(location, plain) as file:
        size = file.seek(0, 2)
        tail = _read_end(file, size, _TAIL_BYTES)
        length = int.from_bytes(tail[-8:-4], "little")
        if tail[-4:] != _MAGIC or length > min(_MOST_FOOTER_BYTES, size - 8):
            return []
        if length + 8 > len(tail):
            tail = _read_end(file, size, length + 8)
    footer = _Footer(tail[-8 - length : -8])
    for field, kind in footer.fields():
        if field == _ROW_GROUPS:
            return _packed_of_group(footer)
        footer.skip(kind)
    return []


def _open(location: Location, path: str) -> BinaryIO:
    folder = location.local_path
    if folder is not None:
        return open(f"{folder}/{path}", "rb")
    return cast(BinaryIO, obstore.open_reader(open_store(location), path))


def _read_end(file: BinaryIO, size: int, wanted: int) -> bytes:
    file.seek(max(0, size - wanted))
    return bytes(file.read(min(size, wanted)))


def _packed_of_group(footer: _Footer) -> list[str]:
    """Of the first row group: what is true of it is taken for the others."""
    packed: list[str] = []
    groups, _ = footer.list_header()
    if groups == 0:
        return packed
    for field, kind in footer.fields():
        if field != _COLUMNS:
            footer.skip(kind)
            continue
        chunks, _ = footer.list_header()
        for _ in range(chunks):
            name = _packed_of_chunk(footer)
            if name is not None:
                packed.append(name)
    return packed


def _packed_of_chunk(footer: _Footer) -> str | None:
    """The name of a column that is packed and stands at the top of the schema."""
    path: list[str] = []
    encodings: list[int] = []
    for field, kind in footer.fields():
        if field != _META_DATA:
            footer.skip(kind)
            continue
        for inner, inner_kind in footer.fields():
            if inner == _ENCODINGS:
                encodings = [footer.integer() for _ in range(footer.list_header()[0])]
            elif inner == _PATH:
                path = [footer.binary().decode() for _ in range(footer.list_header()[0])]
            else:
                footer.skip(inner_kind)
    return path[0] if len(path) == 1 and _DELTA_BINARY_PACKED in encodings else None


class _Footer:
    """Reads Thrift's compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """The number and the type of each field of a struct; its value must have been read before the next one."""
        number = 0
        while (head := self._byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15

    def list_header(self) -> tuple[int, int]:
        """How many items a list has, and their type."""
        head = self._byte()
        count = head >> 4 if head >> 4 != 15 else self._varint()
        if count > len(self._data):
            raise ValueError("a list of the footer is longer than the footer")
        return count, head & 15

    def integer(self) -> int:
        """A signed number."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def binary(self) -> bytes:
        """A text or bytes."""
        length = self._varint()
        self._at += length
        return self._data[self._at - length : self._at]

    def skip(self, kind: int) -> None:
        """Leave a value out."""
        if kind == _BYTE:
            self._at += 1
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            self.binary()
        elif kind in (_LIST, _SET):
            count, item = self.list_header()
            for _ in range(count):
                self._skip_item(item)
        elif kind == _MAP:
            self._skip_map()
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind not in (_TRUE, _FALSE):
            # Nothing would be read of it, however often it is said to be there.
            raise ValueError("the footer has a value of no known type")

    def _skip_map(self) -> None:
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._skip_item(kinds >> 4)
            self._skip_item(kinds & 15)

    def _skip_item(self, kind: int) -> None:
        # Booleans have no byte as a field, whose head tells them, and one as an item.
        if kind in (_TRUE, _FALSE):
            self._at += 1
        else:
            self.skip(kind)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > _MOST_BITS:
                raise ValueError("the footer has a number that is too long")
        return value | byte << shift
