"""Upkeep: vacuum, optimize, z-order, restore, checkpoint, log cleanup, properties."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from deltalake import CommitProperties, DeltaTable

from .commits import NO_HOOKS
from .dml import change, writer_for
from .errors import WorkerError, classify
from .locations import Location, open_table
from .log_files import existing_files
from .property_commits import commit_properties
from .requests import Context
from .versions import open_at, version_at

_DEFAULT_RETENTION_HOURS = 168
_MOST_HOURS = 100 * 365 * 24
_HOURS = {"hour": 1, "day": 24, "week": 168}


def vacuum(context: Context) -> dict[str, Any]:
    """List (dry run) or remove files that no version within the retention needs.

    Files that are in no log are among them, except at a retention of zero: they may be of a load under way.
    """
    args = context.args
    table = open_table(context.location)
    hours = args.find_int("retention_hours")
    force = args.flag("force")
    dry_run = args.flag("dry_run", True)
    least = retention_hours(table, args.integer("version_retention_hours", _DEFAULT_RETENTION_HOURS))
    if hours is None:
        hours = least
    if hours < 0:
        raise WorkerError("invalid", "retention_hours must not be negative.")
    if hours < least and not force:
        raise WorkerError(
            "invalid",
            f"retention_hours must be at least {least}, the table's retention; force: true goes below it.",
        )
    files = _vacuum(context.location, table, min(hours, _MOST_HOURS), dry_run=True)
    if not dry_run:
        _vacuum(context.location, table, min(hours, _MOST_HOURS), dry_run=False)
    return {"files": files, "deleted": 0 if dry_run else len(files), "dry_run": dry_run}


def _vacuum(location: Location, table: DeltaTable, hours: int, *, dry_run: bool) -> list[str]:
    files = table.vacuum(
        retention_hours=hours,
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=hours > 0,
        post_commithook_properties=NO_HOOKS,
    )
    paths = [_below(location, file) for file in files]
    # The log goes on naming what an earlier vacuum deleted.
    return paths if hours > 0 or not dry_run else existing_files(location, paths)


def _below(table: Location, path: str) -> str:
    """A file's path below the table, also where the engine gives the whole of it."""
    folder = (table.local_path or table.uri).rstrip("/") + "/"
    plain = path.removeprefix("file://")
    for prefix in (folder, folder.lstrip("/"), urlsplit(table.uri).path.lstrip("/").rstrip("/") + "/"):
        if len(prefix) > 1 and plain.startswith(prefix):
            return plain[len(prefix) :]
    return path


def retention_hours(table: DeltaTable, default: int) -> int:
    """Hours that removed files are kept: the table's property, else the default."""
    text = table.metadata().configuration.get("delta.deletedFileRetentionDuration")
    match = re.fullmatch(r"(?:interval\s+)?(\d+)\s+(hour|day|week)s?", (text or "").strip().lower())
    return default if match is None else int(match.group(1)) * _HOURS[match.group(2)]


def optimize(context: Context) -> dict[str, Any]:
    """Gather small files into larger ones; loads go on meanwhile."""
    args = context.args
    partition = [(name, "=", value) for name, value in args.mapping("partition").items()]
    table = open_table(context.location)
    _check_partition(table, [name for name, _, _ in partition])

    def run(latest: DeltaTable) -> dict[str, Any]:
        return latest.optimize.compact(
            partition_filters=partition or None,
            target_size=args.find_int("target_size"),
            writer_properties=writer_for(context, latest),
            commit_properties=_commit_properties(context),
            post_commithook_properties=NO_HOOKS,
        )

    return _run_layout(context, table, run)


def z_order(context: Context) -> dict[str, Any]:
    """Rewrite files so that rows with near values in the columns are near."""
    args = context.args
    columns = args.texts("columns")
    table = open_table(context.location)
    known = {str(field.name) for field in table.schema().fields}
    if not columns:
        raise WorkerError("invalid", "columns must name at least one column.")
    for name in columns:
        if name not in known:
            raise WorkerError("invalid", f"The table has no column {name!r}.")
        if name in table.metadata().partition_columns:
            raise WorkerError("invalid", f"{name!r} is a partition column; z-order takes other columns.")
        if "." in name:
            raise WorkerError("invalid", f"delta-rs cannot z-order by {name!r}: it takes the dot for a struct's field.")
    if len(set(columns)) != len(columns):
        raise WorkerError("invalid", "columns names a column twice.")

    def run(latest: DeltaTable) -> dict[str, Any]:
        return latest.optimize.z_order(
            columns,
            target_size=args.find_int("target_size"),
            writer_properties=writer_for(context, latest),
            commit_properties=_commit_properties(context),
            post_commithook_properties=NO_HOOKS,
        )

    return _run_layout(context, table, run)


def _run_layout(context: Context, table: DeltaTable, run: Callable[[DeltaTable], dict[str, Any]]) -> dict[str, Any]:
    """Write files anew; once more, with appends waiting, where other commits were faster every time."""
    before = table.version()
    try:
        return _outcome(table, before, run(table))
    except Exception as error:
        if classify(error).kind != "conflict" or context.args.integer("max_commit_retries", 3) == 0:
            raise
    with context.cached.append_lock:
        table = open_table(context.location)
        before = table.version()
        return _outcome(table, before, run(table))


def restore(context: Context) -> dict[str, Any]:
    """Make an earlier version the latest again, as a new commit."""
    args = context.args
    version = args.find_int("version")
    timestamp = args.find_text("timestamp")
    if (version is None) == (timestamp is None):
        raise WorkerError("invalid", "Give a version or a timestamp.")
    latest = context.cached.require()
    wanted = version if version is not None else version_at(latest, timestamp or "")
    open_at(context, latest, wanted)

    def run(table: DeltaTable, properties: CommitProperties) -> dict[str, Any]:
        if table.version() == wanted:
            return {}
        return table.restore(wanted, commit_properties=properties, post_commithook_properties=NO_HOOKS)

    return {**change(context, run), "restored_version": wanted}


def checkpoint(context: Context) -> dict[str, Any]:
    """Write a checkpoint of the latest version."""
    table = open_table(context.location)
    table.create_checkpoint()
    return {"version": table.version()}


def clean_log(context: Context) -> dict[str, Any]:
    """Remove log files that are older than the log's retention and not needed any more."""
    table = open_table(context.location)
    table.cleanup_metadata()
    return {"version": table.version()}


def set_properties(context: Context) -> dict[str, Any]:
    """Set table properties."""
    properties = context.args.mapping("properties")
    if not properties:
        raise WorkerError("invalid", "properties must name at least one property.")

    def run(table: DeltaTable, commit: CommitProperties) -> dict[str, Any]:
        if commit_properties(context.location, table, properties, commit):
            return {}
        try:
            table.alter.set_table_properties(properties, commit_properties=commit)
        except Exception as error:
            if "property" in str(error).lower():
                names = ", ".join(properties)
                raise WorkerError("invalid", f"delta-rs knows no such table property: {names}.") from error
            raise
        return {}

    result = change(context, run)
    return {"version": result["version"], "properties": context.cached.require().metadata().configuration}


def _commit_properties(context: Context) -> CommitProperties:
    return CommitProperties(max_commit_retries=15 if context.args.integer("max_commit_retries", 3) else 0)


def _check_partition(table: DeltaTable, names: list[str]) -> None:
    for name in names:
        if name not in table.metadata().partition_columns:
            raise WorkerError("invalid", f"{name!r} is no partition column of the table.")


def _outcome(table: DeltaTable, before: int, metrics: dict[str, Any]) -> dict[str, Any]:
    table.update_incremental()
    return {"version": table.version(), "changed": table.version() != before, "metrics": _plain(metrics)}


def _plain(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics without JSON inside texts."""
    return {
        name: json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        for name, value in metrics.items()
    }
