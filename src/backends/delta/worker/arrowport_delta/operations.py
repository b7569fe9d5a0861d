"""The operations by name."""

from __future__ import annotations

import resource
import sys
from typing import Any

from . import arena, dml, file_parts, listing, loads, reads, snapshots, upkeep
from .requests import Context, Handler


def ping(_context: Context) -> dict[str, Any]:
    """Say that the worker answers."""
    return {}


def memory(_context: Context) -> dict[str, Any]:
    """Resident bytes of the worker."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        return {"rss": pages * resource.getpagesize()}
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"rss": peak if sys.platform == "darwin" else peak * 1024}


def handlers() -> dict[str, Handler]:
    """Every operation that a request may name."""
    return {
        "ping": ping,
        "memory": memory,
        "arena": arena.arena,
        "load": loads.load,
        "read": reads.read,
        "changes": reads.changes,
        "parts": file_parts.parts,
        "read-part": file_parts.read_part,
        "read-files": file_parts.read_files,
        "version": snapshots.version,
        "snapshot": snapshots.snapshot,
        "info": listing.info,
        "list": listing.list_tables,
        "history": listing.history,
        "delete": dml.delete,
        "update": dml.update,
        "vacuum": upkeep.vacuum,
        "optimize": upkeep.optimize,
        "z-order": upkeep.z_order,
        "restore": upkeep.restore,
        "checkpoint": upkeep.checkpoint,
        "clean-log": upkeep.clean_log,
        "properties": upkeep.set_properties,
    }
