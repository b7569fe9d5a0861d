"""What a commit gives rise to, beside the loads: checkpoints, log cleanup, compaction of small files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deltalake import CommitProperties, DeltaTable

from .commits import NO_HOOKS
from .locations import CachedTable, open_table
from .logs import log, redact
from .parquet import writer_properties
from .requests import Arguments

_SMALL_SHARE = 4
"""A file is small when it is less than this part of the target size."""


@dataclass(frozen=True)
class Aftercare:
    """When what is done; an interval or a count of zero is never."""

    checkpoint_interval: int
    compact_min_files: int
    target_file_size: int
    compression: str
    z_order_by: list[str] = field(default_factory=list)

    @staticmethod
    def from_args(args: Arguments) -> Aftercare:
        """Read the settings of a request."""
        return Aftercare(
            checkpoint_interval=args.integer("checkpoint_interval", 10),
            compact_min_files=args.integer("compact_min_files", 0),
            target_file_size=args.find_int("target_file_size") or 128 << 20,
            compression=args.find_text("compression") or "snappy",
            z_order_by=args.texts("z_order_by"),
        )


_running: set[tuple[str, str]] = set()
_lock = threading.Lock()


def after_commit(cached: CachedTable, version: int, care: Aftercare) -> None:
    """Begin in the background what is due at this version."""
    if version == 0:
        return
    if care.checkpoint_interval > 0 and version % care.checkpoint_interval == 0:
        _begin(cached, "checkpoint", lambda: _checkpoint(cached, version))
    if care.compact_min_files > 0 and version % max(1, care.compact_min_files // 2) == 0:
        _begin(cached, "compaction", lambda: _compact(cached, care))


def _begin(cached: CachedTable, name: str, run: Callable[[], None]) -> None:
    """Run in a thread, unless the table is having the same done already."""
    key = (cached.location.uri, name)
    with _lock:
        if key in _running:
            return
        _running.add(key)

    def guarded() -> None:
        try:
            run()
        except Exception as error:
            log("warn", f"a {name} failed", table=cached.location.uri, error=redact(str(error))[:500])
        finally:
            with _lock:
                _running.discard(key)

    threading.Thread(target=guarded, daemon=True).start()


def _checkpoint(cached: CachedTable, version: int) -> None:
    started = time.monotonic()
    table = open_table(cached.location, version)
    table.create_checkpoint()
    if table.metadata().configuration.get("delta.enableExpiredLogCleanup", "true") == "true":
        table.cleanup_metadata()
    log("debug", "checkpoint written", version=version, ms=round((time.monotonic() - started) * 1000))


def _compact(cached: CachedTable, care: Aftercare) -> None:
    started = time.monotonic()
    table = open_table(cached.location)
    small = _small_files(table, care)
    configuration = table.metadata().configuration
    # Compaction is no change of data, but delta-rs takes none in these tables.
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        return
    if small < care.compact_min_files or configuration.get("delta.appendOnly") == "true":
        return
    commit = CommitProperties(max_commit_retries=15)
    writer = writer_properties(care.compression)
    if care.z_order_by:
        table.optimize.z_order(
            care.z_order_by,
            target_size=care.target_file_size,
            writer_properties=writer,
            commit_properties=commit,
            post_commithook_properties=NO_HOOKS,
        )
    else:
        table.optimize.compact(
            target_size=care.target_file_size,
            writer_properties=writer,
            commit_properties=commit,
            post_commithook_properties=NO_HOOKS,
        )
    log("info", "small files compacted", files=small, ms=round((time.monotonic() - started) * 1000))


def _small_files(table: DeltaTable, care: Aftercare) -> int:
    sizes = table._table.get_add_file_sizes().values()
    return sum(1 for size in sizes if size * _SMALL_SHARE < care.target_file_size)
