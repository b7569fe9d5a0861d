"""What a commit gives rise to, beside the loads: checkpoints, log cleanup, compaction of small files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deltalake import CommitProperties

from .commits import NO_HOOKS
from .locations import CachedTable, open_table
from .logs import log, redact
from .packed_files import replacing_properties
from .requests import Arguments

_SMALL_SHARE = 4
"""A file is small when it is less than this part of the target size."""


_WORTH_ALL = 4
"""A table is written anew when at least this part of it is in small files."""


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


_MOST_TABLES = 1024
_running: set[tuple[str, str]] = set()
_seen: dict[str, int] = {}
_lock = threading.Lock()


def after_commit(cached: CachedTable, version: int, care: Aftercare) -> None:
    """Begin in the background what is due at this version. Never raises: the commit is made."""
    if version == 0:
        return
    since = _last_seen(cached, version)
    if _passed(care.checkpoint_interval, since, version):
        _begin(cached, "checkpoint", lambda: _checkpoint(cached, version))
    if care.compact_min_files > 0 and _passed(max(1, care.compact_min_files // 2), since, version):
        _begin(cached, "compaction", lambda: _compact(cached, care))


def _last_seen(cached: CachedTable, version: int) -> int:
    """The version that this process looked after last; another writer's commits may lie between."""
    with _lock:
        uri = cached.location.uri
        since = _seen.pop(uri, version - 1)
        _seen[uri] = max(since, version)
        while len(_seen) > _MOST_TABLES:
            del _seen[next(iter(_seen))]
        return min(since, version - 1) if since < version else version


def _passed(interval: int, since: int, version: int) -> bool:
    """Whether a multiple of the interval lies behind one version and not behind the other."""
    return interval > 0 and version // interval > since // interval


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

    try:
        threading.Thread(target=guarded, daemon=True).start()
    except RuntimeError as error:
        # No thread is to be had: the load is committed all the same, and a later one begins this again.
        log("warn", f"a {name} could not begin", table=cached.location.uri, error=redact(str(error))[:500])
        with _lock:
            _running.discard(key)


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
    sizes = [int(size) for size in table._table.get_add_file_sizes().values()]
    small_sizes = [size for size in sizes if size * _SMALL_SHARE < care.target_file_size]
    small = len(small_sizes)
    configuration = table.metadata().configuration
    # Compaction is no change of data, but delta-rs takes none in these tables.
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        return
    if small < care.compact_min_files or configuration.get("delta.appendOnly") == "true":
        return
    commit = CommitProperties(max_commit_retries=15)
    writer = replacing_properties(cached.location, table, care.compression)
    # Z-order writes every file anew: worth it when the small ones are a good part of the table.
    if care.z_order_by and sum(small_sizes) * _WORTH_ALL >= sum(sizes):
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
