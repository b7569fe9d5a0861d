"""Entry of the worker: ``python -m arrowport_delta --socket PATH --spool FOLDER``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import threading
from types import FrameType

import deltalake

from . import PROTOCOL_VERSION
from .operations import handlers
from .row_order import keep_row_order
from .server import Server, exit_when_parent_goes


def main() -> None:
    """Serve until stdin ends (at once) or SIGTERM comes (after running operations)."""
    parser = argparse.ArgumentParser(prog="arrowport_delta")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--spool", required=True)
    parser.add_argument("--grace-seconds", type=float, default=30.0)
    options = parser.parse_args()

    keep_row_order()
    server = Server(options.socket, handlers(), options.spool)
    server.listen()
    exit_when_parent_goes(lambda: os._exit(0))

    def on_terminate(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=_stop_and_exit, args=(server, options.grace_seconds), daemon=True).start()

    signal.signal(signal.SIGTERM, on_terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready = {
        "ready": True,
        "protocol": PROTOCOL_VERSION,
        "deltalake": deltalake.__version__,
        "python": platform.python_version(),
        "pid": os.getpid(),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    server.serve()
    threading.Event().wait()


def _stop_and_exit(server: Server, grace_seconds: float) -> None:
    server.stop(grace_seconds)
    os._exit(0)


if __name__ == "__main__":
    main()
