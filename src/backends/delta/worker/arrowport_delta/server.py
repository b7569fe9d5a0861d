"""The worker's server: one thread a connection, one operation a connection."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

from . import PROTOCOL_VERSION
from .errors import WorkerError, classify
from .frames import FrameConnection, FrameError, Header, PeerGone
from .locations import TableCache
from .logs import log, log_exception, redact
from .requests import Context, Handler

_ACCEPT_BACKLOG = 512
_WORTH_A_WARNING = frozenset(("storage_unavailable", "auth", "io_full", "corrupt", "unknown"))


class Server:
    """Serves operations on a Unix socket until it is told to stop."""

    def __init__(self, path: str, handlers: dict[str, Handler], spool_folder: str) -> None:
        self._path = path
        self._handlers = handlers
        self._cache = TableCache()
        self._spool_folder = spool_folder
        self._active: set[FrameConnection] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def listen(self) -> None:
        """Bind the socket; connections are taken from here on."""
        self._listener.bind(self._path)
        os.chmod(self._path, 0o600)
        self._listener.listen(_ACCEPT_BACKLOG)

    def serve(self) -> None:
        """Take connections until ``stop``."""
        while not self._stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                break
            try:
                threading.Thread(target=self._serve_connection, args=(sock,), daemon=True).start()
            except RuntimeError as error:
                # Those that have a thread go on; the parent takes a closed connection for a worker that is away.
                log("warn", "no thread is to be had for an operation", error=str(error))
                sock.close()

    def stop(self, grace_seconds: float) -> None:
        """Take no more connections, let running operations end within the grace, then return."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        deadline = time.monotonic() + grace_seconds
        while time.monotonic() < deadline:
            with self._lock:
                if all(connection.is_lasting for connection in self._active):
                    return
            time.sleep(0.02)

    def _serve_connection(self, sock: socket.socket) -> None:
        connection = FrameConnection(sock)
        with self._lock:
            self._active.add(connection)
        try:
            request = connection.receive()
            self._answer(connection, request)
        except PeerGone:
            pass
        except FrameError as error:
            log("warn", "a connection to the Delta worker was broken", error=str(error))
        finally:
            with self._lock:
                self._active.discard(connection)
            connection.close()

    def _answer(self, connection: FrameConnection, request: Header) -> None:
        operation = str(request.get("op"))
        started = time.monotonic()
        try:
            if request.get("v") != PROTOCOL_VERSION:
                raise WorkerError("invalid", "The worker speaks another protocol version.")
            handler = self._handlers.get(operation)
            if handler is None:
                raise WorkerError("invalid", "The worker does not know this operation.")
            result = handler(Context(connection, request, self._cache, self._spool_folder))
            connection.send({"result": result})
        except PeerGone:
            raise
        except BaseException as error:
            failure = classify(error)
            self._log_failure(operation, request, error, failure, started)
            connection.send({"error": {"kind": failure.kind, "message": str(failure), **failure.details}})
            _drain(connection)

    def _log_failure(
        self,
        operation: str,
        request: Header,
        error: BaseException,
        failure: WorkerError,
        started: float,
    ) -> None:
        fields = {
            "op": operation,
            "kind": failure.kind,
            "request_id": request.get("request_id"),
            "ms": round((time.monotonic() - started) * 1000, 1),
        }
        if failure.kind == "internal":
            log_exception("a Delta operation failed", error, **fields)
        else:
            level = "warn" if failure.kind in _WORTH_A_WARNING else "debug"
            log(level, "a Delta operation failed", error=redact(str(error))[:2000], **fields)


def _drain(connection: FrameConnection) -> None:
    """Read until the peer closes, so that it gets the error before its own writes fail."""
    try:
        while True:
            connection.receive()
    except FrameError:
        return


def exit_when_parent_goes(stop: Callable[[], None]) -> None:
    """Stop when stdin ends: the parent holds its other end for as long as it lives."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        stop()

    threading.Thread(target=watch, daemon=True).start()
