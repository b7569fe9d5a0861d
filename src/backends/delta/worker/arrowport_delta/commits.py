"""Commits: their properties, their retries, and whether they happened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.transaction import Transaction

from .errors import WorkerError, classify
from .locations import CachedTable, Location
from .log_files import find_commit
from .logs import log, redact
from .staging import StagedFiles

COMMIT_ID = "arrowport.commit_id"
"""The key of a commit's own id in its ``commitInfo``."""

APP_ID = "arrowport.app_id"
"""The key of the idempotency key's application id in ``commitInfo``."""

NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Checkpoints are made beside the commits, not in them."""

_INNER_RETRIES = 15
"""Retries of delta-rs itself, which looks for conflicts and goes on behind other commits."""

_FIRST_BACKOFF_SECONDS = 0.1


@dataclass(frozen=True)
class CommitPlan:
    """What a commit carries besides its actions."""

    commit_id: str
    app_id: str | None
    meta: dict[str, Any]
    max_retries: int
    keys_since: int = 0
    inner_retries: int = _INNER_RETRIES
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def app_ids(self) -> list[str]:
        """The keys that the commit carries."""
        return [] if self.app_id is None else [self.app_id]

    def metadata(self) -> dict[str, Any]:
        """What the commit says of itself in its ``commitInfo``."""
        metadata: dict[str, Any] = {COMMIT_ID: self.commit_id}
        if self.app_id is not None:
            metadata[APP_ID] = self.app_id
        metadata.update({f"arrowport.{name}": value for name, value in self.meta.items() if value is not None})
        metadata.update(self.extra)
        return metadata

    def properties(self, base_version: int) -> CommitProperties:
        """The properties for delta-rs. The ``txn`` action holds the version that the commit comes after."""
        now = int(time.time() * 1000)
        return CommitProperties(
            custom_metadata=self.metadata(),
            max_commit_retries=self.inner_retries if self.max_retries > 0 else 0,
            app_transactions=[Transaction(app_id, base_version, now) for app_id in self.app_ids] or None,
        )


@dataclass(frozen=True)
class Committed:
    """A commit that is in the log."""

    version: int
    info: dict[str, Any]
    replayed: bool
    retries: int = 0
    changed: bool = True


def find_replay(cached: CachedTable, table: DeltaTable, app_id: str | None, since: int = 0) -> Committed | None:
    """The commit that this key already made in this table, at ``since`` (ms since 1970) or later."""
    if app_id is None:
        return None
    base = table.transaction_version(app_id)
    if base is None:
        return None
    return find_replay_at(cached.location, base, app_id, since)


def find_replay_at(location: Location, base: int, app_id: str, since: int) -> Committed | None:
    """The commit of a key behind a version, unless it is older than ``since``."""
    found = find_commit(location, base, APP_ID, app_id)
    if found is None:
        return Committed(version=base + 1, info={}, replayed=True)
    if int(found[1].get("timestamp") or since) < since:
        return None
    return Committed(version=found[0], info=found[1], replayed=True)


def commit_with_retries(
    cached: CachedTable,
    plan: CommitPlan,
    attempt: Callable[[DeltaTable | None, CommitProperties], bool],
    *,
    exclusive: bool,
) -> Committed:
    """Run ``attempt`` on the latest table until it commits, at most ``max_retries`` times more.

    ``attempt`` says whether it had anything to commit. ``exclusive`` attempts are short and come one after
    another in this process; others take as long as they need and leave it to the log to find conflicts.
    Raises ``WorkerError`` conflict when other writers were faster every time, unknown when the store does not
    say whether the commit is there.
    """
    retries = plan.max_retries
    if cached.location.local_path is None and retries > 0:
        # A store may lose its answer to a commit. delta-rs would take that for another writer's and commit again:
        # here the log is looked at before each retry.
        retries += plan.inner_retries
        plan = replace(plan, inner_retries=0)
    for number in range(retries + 1):
        if number > 0:
            time.sleep(_FIRST_BACKOFF_SECONDS * 2 ** min(number - 1, 3) * random.uniform(0.5, 1.5))
        with (
            # Appends wait when a try was in vain.
            cached.append_lock if number > 0 else nullcontext(),
            cached.commit_lock if exclusive else nullcontext(),
        ):
            table = cached.latest() if exclusive else cached.snapshot()
            replay = None if table is None else find_replay(cached, table, plan.app_id, plan.keys_since)
            if replay is not None:
                return replay
            base = -1 if table is None else table.version()
            try:
                if not attempt(table, plan.properties(base)):
                    return Committed(base, {}, replayed=False, retries=number, changed=False)
                return _locate(cached, plan, base, number)
            except Exception as error:
                landed = _landed_after_all(cached, plan, base, error)
                if landed is not None:
                    return landed
                if classify(error).kind != "conflict" or number == retries:
                    raise
                log("info", "a commit met another writer", error=redact(str(error))[:500], attempt=number + 1)
                cached.forget()
    raise WorkerError("conflict", "Another writer changed the table at the same time.")


def commit_staged(stages: list[StagedFiles], commit: Callable[[], Committed]) -> Committed:
    """Commit files that were staged; they go where that fails, or where the commit was there already.

    They stay where nobody can say whether it is. ``commit`` may add to the list.
    """
    try:
        committed = commit()
    except BaseException as error:
        is_unknown = isinstance(error, WorkerError) and error.kind == "unknown"
        for staged in stages:
            if is_unknown:
                staged.finish()
            else:
                staged.discard()
        raise
    for staged in stages:
        if committed.replayed:
            staged.discard()
        else:
            staged.finish()
    return committed


def _locate(cached: CachedTable, plan: CommitPlan, base: int, retries: int) -> Committed:
    found = find_commit(cached.location, base, COMMIT_ID, plan.commit_id)
    if found is None:
        raise WorkerError("unknown", "The commit cannot be found in the table's log.")
    return Committed(found[0], found[1], replayed=False, retries=retries)


def _landed_after_all(cached: CachedTable, plan: CommitPlan, base: int, error: Exception) -> Committed | None:
    """Look whether a commit that failed is in the log: the store may have lost only its answer."""
    if isinstance(error, WorkerError) and error.kind != "unknown":
        return None
    try:
        found = find_commit(cached.location, base, COMMIT_ID, plan.commit_id)
    except Exception as second:
        # A store that lost its answer calls the next try a conflict.
        if classify(error).kind in ("storage_unavailable", "internal", "conflict"):
            raise WorkerError("unknown", "The table's storage does not say whether the commit is there.") from second
        return None
    if found is None:
        return None
    log("warn", "a commit landed although it failed", error=redact(str(error))[:500])
    cached.forget()
    return Committed(found[0], found[1], replayed=False)
