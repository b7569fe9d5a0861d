"""Frames arrive whole, or not at all."""

from __future__ import annotations

import socket
import struct

import pytest

from arrowport_delta.frames import FrameConnection, FrameError, PeerGone
from arrowport_delta.incoming import IncomingStream


def pair() -> tuple[FrameConnection, socket.socket]:
    """A connection and the other end of its socket."""
    mine, other = socket.socketpair()
    return FrameConnection(mine), other


def test_header_and_payload_come_as_they_were_sent() -> None:
    reader, other = pair()
    FrameConnection(other).send({"data": True, "ü": [1, None]}, b"x" * 200_000)
    assert reader.receive() == {"data": True, "ü": [1, None]}
    assert reader.read_payload(1 << 20) == b"x" * 200_000
    assert reader.payload_left == 0


@pytest.mark.parametrize("data", [b"APF2" + bytes(12), b"APF1" + struct.pack("<IQ", 1 << 30, 0)])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    reader, other = pair()
    other.sendall(data)
    with pytest.raises(FrameError):
        reader.receive()


def test_an_end_in_the_middle_is_no_end() -> None:
    reader, other = pair()
    FrameConnection(other).send({"data": True}, b"abc")
    other.close()
    stream = IncomingStream(reader)
    assert stream.take_chunk() == b"abc"
    with pytest.raises(PeerGone):
        stream.take_chunk()
    assert not stream.ended


def test_the_end_frame_ends_the_stream_with_its_facts() -> None:
    reader, other = pair()
    writer = FrameConnection(other)
    writer.send({"data": True}, b"abc")
    writer.send({"end": True, "meta": {"rows": 3}})
    stream = IncomingStream(reader)
    assert stream.gather(1 << 20)
    assert (stream.gathered(), stream.end_meta) == ([b"abc"], {"rows": 3})
