"""Tables as of a version or a time."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from deltalake import DeltaTable

from .errors import WorkerError, classify
from .locations import open_table
from .requests import Context

_LOG_GONE = re.compile(r"no table metadata|metadata or protocol|no files in log segment", re.IGNORECASE)


def open_version(context: Context) -> DeltaTable:
    """The table at the ``version`` or the ``timestamp`` of the request, else at its latest version."""
    version = context.args.find_int("version")
    timestamp = context.args.find_text("timestamp")
    latest = context.cached.require()
    if version is not None and timestamp is not None:
        raise WorkerError("invalid", "Give a version or a timestamp, not both.")
    if version is not None:
        return open_at(context, latest, version)
    if timestamp is not None:
        return open_at(context, latest, version_at(latest, timestamp))
    return latest


def open_at(context: Context, latest: DeltaTable, version: int) -> DeltaTable:
    """The table at one version. Raises ``WorkerError`` version_not_found."""
    if version < 0 or version > latest.version():
        raise WorkerError("version_not_found", f"The table has no version {version}.")
    if version == latest.version():
        return latest
    try:
        return open_table(context.location, version)
    except Exception as error:
        # The latest version could be opened, so what is missing is the log before this one.
        gone = classify(error).kind in ("not_found", "version_not_found") or _LOG_GONE.search(str(error))
        if not gone:
            raise
        raise WorkerError("version_not_found", f"Version {version} is no longer in the table's log.") from error


def version_at(latest: DeltaTable, timestamp: str) -> int:
    """The last version that was committed at or before a time."""
    wanted = parse_time(timestamp)
    for commit in latest.history():
        if int(commit["timestamp"]) <= wanted:
            return int(commit["version"])
    raise WorkerError("version_not_found", f"The table has no version as old as {timestamp}.")


def parse_time(text: str) -> int:
    """RFC 3339 to milliseconds since 1970."""
    try:
        # Before Python 3.11 fractions of three or six digits are the only ones that are read.
        plain = re.sub(r"\.(\d+)", lambda match: f".{match[1][:6]:0<6}", text)
        moment = datetime.fromisoformat(plain.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError as error:
        message = "timestamp must be a time as RFC 3339 writes it, such as 2026-01-05T09:30:00Z."
        raise WorkerError("invalid", message) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1000)
