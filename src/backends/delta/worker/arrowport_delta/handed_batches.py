"""Record batches that the server has decoded and checked: read where they are, by the Arrow C data interface."""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Iterator
from typing import Any

from arro3.core import RecordBatch
from arro3.core import Schema as ArrowSchema

from .arena import Arena, find_arena
from .errors import WorkerError
from .incoming import IncomingStream
from .logs import log

# Length, null count, offset, counts of buffers and children; pointers to both, to a dictionary, to release; our number.
_ARRAY = struct.Struct("<qqqqqQQQQQ")
_POINTER = struct.Struct("<Q")
_RELEASE_AT = 64
_NUMBER_AT = 72
_ABSENT = -1

_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class HandedBatches:
    """The batches of a load, in order. Its ``end`` frame must have come when they end."""

    def __init__(self, schema: ArrowSchema, incoming: IncomingStream) -> None:
        self.schema = schema
        self._incoming = incoming

    def __iter__(self) -> Iterator[RecordBatch]:
        """Take one batch after another off the connection."""
        while (taken := self._incoming.take_batch()) is not None:
            header, payload = taken
            yield self._import(header, payload)
            del header, payload, taken

    def _import(self, header: dict[str, Any], payload: bytes) -> RecordBatch:
        try:
            return import_batch(self.schema, header, payload)
        except WorkerError as error:
            self._incoming.failure = error
            raise
        except Exception as error:
            log("warn", "a batch does not fit its schema", error=str(error)[:300])
            self._incoming.failure = WorkerError("malformed", "A batch of the stream does not fit its schema.")
            raise self._incoming.failure from error


class _Kept:
    """What a batch is read from, until its reader lets go of it."""

    def __init__(self, structs: bytearray, payload: bytes, arena: Arena | None, start: int) -> None:
        self._structs = structs
        self._payload = payload
        self._arena = arena
        self._start = start

    def end(self) -> None:
        """Give it back."""
        if self._arena is not None:
            self._arena.free(self._start)


_kept: dict[int, _Kept] = {}
_numbers = itertools.count(1)


def _release(address: int) -> None:
    """Called by native code, on any thread, when it has done with a batch."""
    ctypes.c_uint64.from_address(address + _RELEASE_AT).value = 0
    kept = _kept.pop(ctypes.c_uint64.from_address(address + _NUMBER_AT).value, None)
    if kept is not None:
        kept.end()


_NATIVE_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_release)
_RELEASE_ADDRESS = ctypes.cast(_NATIVE_RELEASE, ctypes.c_void_p).value or 0


class _CBatch:
    """Offers a batch to whoever imports it."""

    def __init__(self, schema: ArrowSchema, address: int) -> None:
        self._schema = schema
        self._address = address

    def __arrow_c_array__(self, _requested_schema: object = None) -> tuple[object, object]:
        """The batch, whose importer releases it."""
        return self._schema.__arrow_c_schema__(), _capsule(self._address, b"arrow_array", None)


def import_batch(schema: ArrowSchema, header: dict[str, Any], payload: bytes) -> RecordBatch:
    """A batch over buffers that are where its header says: in an arena, or in the payload, which is kept until then."""
    start = header.get("at", 0)
    arena = find_arena(header["arena"]) if "arena" in header else None
    base = arena.address + start if arena is not None else _address_of(payload)
    number = next(_numbers)
    structs, address = _write_structs(header, base, number)
    kept = _Kept(structs, payload, arena, start)
    _kept[number] = kept
    try:
        return RecordBatch.from_arrow(_CBatch(schema, address))
    except BaseException:
        if ctypes.c_uint64.from_address(address + _RELEASE_AT).value != 0:
            _release(address)
        raise


def _address_of(payload: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(payload), ctypes.c_void_p).value or 0


def _write_structs(header: dict[str, Any], base: int, number: int) -> tuple[bytearray, int]:
    """Lay out an ``ArrowArray`` for the batch and one for each array in it, one behind another, then their pointers."""
    arrays = [[header["rows"], 0, [_ABSENT], header["columns"]], *header["arrays"]]
    pointers = sum(len(buffers) + children for _, _, buffers, children in arrays)
    structs = bytearray(_ARRAY.size * len(arrays) + _POINTER.size * pointers)
    address = ctypes.addressof(ctypes.c_char.from_buffer(structs))
    writer = _StructWriter(arrays, structs, address, base, number)
    if writer.write(0) != len(arrays):
        raise WorkerError("internal", "A batch of a load is not as its header says.")
    return structs, address


class _StructWriter:
    def __init__(self, arrays: list[Any], structs: bytearray, address: int, base: int, number: int) -> None:
        self._arrays = arrays
        self._structs = structs
        self._address = address
        self._base = base
        self._number = number
        self._next_pointer = _ARRAY.size * len(arrays)

    def write(self, index: int) -> int:
        """Write the array at ``index`` and those in it; returns the index behind them."""
        length, nulls, buffers, child_count = self._arrays[index]
        following = index + 1
        children = []
        for _ in range(child_count):
            children.append(self._address + _ARRAY.size * following)
            following = self.write(following)
        buffers_at = self._write_pointers([0 if at == _ABSENT else self._base + at for at in buffers])
        children_at = self._write_pointers(children)
        at = _ARRAY.size * index
        counts = (length, nulls, 0, len(buffers), child_count)
        _ARRAY.pack_into(self._structs, at, *counts, buffers_at, children_at, 0, _RELEASE_ADDRESS, self._number)
        return following

    def _write_pointers(self, values: list[int]) -> int:
        at = self._next_pointer
        struct.pack_into(f"<{len(values)}Q", self._structs, at, *values)
        self._next_pointer += _POINTER.size * len(values)
        return self._address + at
