"""Frames: a JSON header and untouched bytes, over a stream socket.

Layout: 4 bytes magic ``APF1``, header length (u32, little endian), payload length (u64, little endian),
the header as UTF-8 JSON, the payload.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from typing import Any

Header = dict[str, Any]

_MAGIC = b"APF1"
_PRELUDE = struct.Struct("<4sIQ")
_MAX_HEADER = 64 * 1024 * 1024
_DISCARD_CHUNK = 1 << 20


class FrameError(Exception):
    """The peer sent something that is no frame, or stopped in the middle of one."""


class PeerGone(FrameError):
    """The peer closed the connection."""


class FrameConnection:
    """One end of a connection. One thread reads, one writes; the socket must be blocking."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._payload_left = 0
        self.is_lasting = False
        """Whether it stays open for as long as the worker runs, and need not be waited for."""

    def send(self, header: Header, payload: bytes | memoryview = b"") -> None:
        """Send one frame; blocks while the peer does not read."""
        head = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        prelude = _PRELUDE.pack(_MAGIC, len(head), len(payload)) + head
        try:
            if len(payload) == 0:
                self._sock.sendall(prelude)
            elif len(payload) < 65536:
                self._sock.sendall(b"".join((prelude, payload)))
            else:
                self._sock.sendall(prelude)
                self._sock.sendall(payload)
        except OSError as error:
            raise PeerGone("the connection was closed while sending") from error

    def receive(self) -> Header:
        """Read the header of the next frame, past what is left of the current payload."""
        self.discard_payload()
        prelude = self._read_exactly(_PRELUDE.size)
        magic, header_length, payload_length = _PRELUDE.unpack(prelude)
        if magic != _MAGIC or header_length > _MAX_HEADER:
            raise FrameError("not a frame of this protocol version")
        header = json.loads(self._read_exactly(header_length))
        if not isinstance(header, dict):
            raise FrameError("a frame header must be a JSON object")
        self._payload_left = payload_length
        return header

    @property
    def payload_left(self) -> int:
        """Bytes of the current frame's payload that were not read yet."""
        return self._payload_left

    def read_payload(self, size: int) -> bytes:
        """Read up to ``size`` bytes of the current payload: fewer only where it ends."""
        wanted = min(size, self._payload_left)
        if wanted == 0:
            return b""
        data = self._read_exactly(wanted)
        self._payload_left -= wanted
        return data

    def discard_payload(self) -> None:
        """Skip what is left of the current payload."""
        while self._payload_left:
            self.read_payload(_DISCARD_CHUNK)

    def close(self) -> None:
        """Close both directions, waking a thread that reads."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _read_exactly(self, size: int) -> bytes:
        try:
            data = self._sock.recv(size, socket.MSG_WAITALL)
            while len(data) < size:
                more = self._sock.recv(size - len(data), socket.MSG_WAITALL)
                if not more:
                    raise PeerGone("the connection was closed")
                data += more
        except OSError as error:
            raise PeerGone("the connection broke") from error
        return data
