"""Appends: small loads that come at the same time share a file and a commit.

No load waits for others to come: while one commit is made, the loads that arrive gather for the next one.
Each is acknowledged after the commit it is in, has its own key, and fails alone when it cannot be written.
"""

from __future__ import annotations

import contextlib
import io
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from arro3.core import RecordBatch, RecordBatchReader
from arro3.io import read_ipc_stream
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction

from .commits import COMMIT_ID, CommitPlan, Committed, commit_staged, commit_with_retries, find_replay
from .errors import WorkerError, classify
from .locations import CachedTable
from .log_files import LOADS, load_info
from .log_tail import LogTail, TailBroken, TailUnusable
from .staging import FileLayout, StagedFiles, bytes_of, remove_stale, rows_of

_MOST_BYTES = 64 << 20
_MOST_LOADS = 256
_TRIES = 5
_FOR_ALL = frozenset(("conflict", "schema_changed", "storage_unavailable", "auth", "io_full", "unknown"))
"""Kinds of errors that say nothing of one load: loads that share them are not tried again one by one."""


@dataclass(eq=False)
class Append:
    """One load that waits for its commit, whole in memory.

    ``likeness`` is equal for loads that may share a file. ``write`` has delta-rs write and commit rows, where the
    log cannot be followed: in object stores.
    """

    likeness: str
    layout: FileLayout
    plan: CommitPlan
    stream: list[bytes]
    write: Callable[[DeltaTable | None, RecordBatchReader, CommitProperties], None]
    most_rows: int | None = None
    most_bytes: int | None = None
    outcome: Committed | None = None
    failure: BaseException | None = None

    @property
    def rows(self) -> int:
        """The rows that were sent."""
        return int(self.plan.meta.get("rows") or 0)

    @property
    def size(self) -> int:
        """Bytes of the load's IPC stream."""
        return sum(len(part) for part in self.stream)

    @property
    def over(self) -> bool:
        """Whether the load was committed or has failed."""
        return self.outcome is not None or self.failure is not None

    def read(self) -> RecordBatchReader:
        """A reader of the load's batches."""
        return read_ipc_stream(io.BytesIO(b"".join(self.stream)))


@dataclass(frozen=True)
class GroupPlan(CommitPlan):
    """The commit of several loads."""

    loads: list[CommitPlan] = field(default_factory=list)

    @property
    def app_ids(self) -> list[str]:
        """The keys of all loads."""
        return [app_id for load in self.loads for app_id in load.app_ids]

    def metadata(self) -> dict[str, Any]:
        """The commit's own id, and a list with what each load says of itself."""
        return {COMMIT_ID: self.commit_id, LOADS: [load.metadata() for load in self.loads]}


class AppendQueue:
    """The appends of one table. One thread at a time commits: for itself and for those that wait."""

    def __init__(self, cached: CachedTable) -> None:
        # Not the table itself: it is the key under which the queue is kept.
        self._cached = weakref.proxy(cached)
        self._leader = cached.append_lock
        self._waiting_lock = threading.Lock()
        self._waiting: list[Append] = []
        self._tail_lock = threading.Lock()
        self._usable = cached.location.local_path is not None
        remove_stale(cached.location)
        self._tail: LogTail | None = None

    def tail(self) -> LogTail | None:
        """The log at its latest version; None where there is no table, or none that can be followed."""
        if not self._usable:
            return None
        with self._tail_lock:
            for _ in range(_TRIES):
                try:
                    if self._tail is None:
                        table = self._cached.snapshot()
                        if table is None:
                            return None
                        self._tail = LogTail(self._cached.location, table)
                    self._tail.advance()
                    return self._tail
                except TailBroken:
                    self._tail = None
            return None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let no small load be committed inside of it."""
        with self._leader:
            yield

    def commit(self, append: Append) -> Committed:
        """Commit a load, alone or with others. Raises what is wrong with it."""
        with self._waiting_lock:
            self._waiting.append(append)
        while not append.over:
            with self._leader:
                if not append.over:
                    self._run(self._take(append))
        if append.failure is not None:
            raise append.failure
        if append.outcome is None:
            raise RuntimeError("an append ended without an outcome")
        return append.outcome

    def commit_files(self, files: list[AddAction], layout: FileLayout, plan: CommitPlan) -> Committed | None:
        """Commit files that are in the table's place; None where that is not possible here.

        Raises ``WorkerError`` key_taken when a key of several loads was committed elsewhere meanwhile.
        """
        for _ in range(_TRIES):
            tail = self.tail()
            if tail is None:
                return None
            for app_id in plan.app_ids:
                replay = tail.find_replay(app_id, plan.keys_since)
                if replay is None:
                    continue
                if plan.app_id is None:
                    raise WorkerError("key_taken", "A load with the same key was committed meanwhile.")
                return replay
            if tail.state["schema"] != layout.schema_json:
                raise WorkerError("schema_changed", "Another writer changed the table's schema meanwhile.")
            try:
                return tail.append(plan, files, _parameters(layout))
            except TailUnusable:
                self._usable = False
                return None
            except TailBroken:
                continue
        return None

    def _take(self, first: Append) -> list[Append]:
        """The waiting loads that may go with one, itself included, in the order in which they came."""
        keys: set[str] = set()
        group: list[Append] = []
        size = 0
        rows = 0
        with self._waiting_lock:
            self._waiting.remove(first)
            candidates = [first, *(other for other in self._waiting if other.likeness == first.likeness)]
            for other in candidates:
                size += other.size
                rows += other.rows
                full = (
                    len(group) >= _MOST_LOADS
                    or size > min(_MOST_BYTES, first.most_bytes or _MOST_BYTES)
                    or (first.most_rows is not None and rows > first.most_rows)
                )
                if group and full:
                    break
                # A key that is there already waits for the next commit, and is answered with this one.
                if keys.isdisjoint(other.plan.app_ids):
                    keys.update(other.plan.app_ids)
                    group.append(other)
            self._waiting = [other for other in self._waiting if other not in group]
        return group

    def _run(self, group: list[Append]) -> None:
        try:
            self._commit_group(group)
        except BaseException as error:
            left = [append for append in group if not append.over]
            if len(left) > 1 and classify(error).kind not in _FOR_ALL:
                for append in left:
                    self._run([append])
                return
            for append in left:
                append.failure = error

    def _commit_group(self, group: list[Append]) -> None:
        tail = self.tail()
        if tail is None:
            self._commit_through_engine(group)
            return
        left = []
        for append in group:
            append.outcome = tail.find_replay(append.plan.app_id, append.plan.keys_since)
            if append.outcome is None:
                left.append(append)
        if not left:
            return
        layout = left[0].layout
        staged = StagedFiles(self._cached.location, left[0].plan.commit_id)
        files: list[AddAction] = []

        def commit() -> Committed:
            files.extend(staged.write(0, _reader(left), layout))
            if rows_of(files) != sum(append.rows for append in left):
                raise WorkerError("internal", "The files do not hold the rows that were sent.")
            staged.adopt(files)
            committed = self.commit_files(files, layout, _group_plan(left))
            if committed is None:
                raise WorkerError("conflict", "Other writers changed the table again and again.")
            return committed

        committed = commit_staged([staged], commit)
        if committed.replayed:
            left[0].outcome = committed
        else:
            _tell(left, committed, {"files": len(files), "bytes": bytes_of(files)})

    def _commit_through_engine(self, group: list[Append]) -> None:
        """Let delta-rs write and commit the rows of all loads at once."""
        cached = self._cached
        plan = _group_plan(group)

        def attempt(table: DeltaTable | None, properties: CommitProperties) -> bool:
            keyed = [append.plan for append in group if append.plan.app_id is not None]
            if len(group) > 1 and table is not None:
                for load in keyed:
                    if find_replay(cached, table, load.app_id, load.keys_since) is not None:
                        raise WorkerError("key_taken", "A load with the same key was committed meanwhile.")
            group[0].write(table, _reader(group), properties)
            return True

        committed = commit_with_retries(cached, plan, attempt, exclusive=True)
        if committed.replayed:
            group[0].outcome = committed
            return
        _tell(group, committed, committed.info.get("added"))


_queues: weakref.WeakKeyDictionary[CachedTable, AppendQueue] = weakref.WeakKeyDictionary()
_queues_lock = threading.Lock()


def queue_of(cached: CachedTable) -> AppendQueue:
    """The one queue of a table."""
    with _queues_lock:
        queue = _queues.get(cached)
        if queue is None:
            queue = _queues[cached] = AppendQueue(cached)
        return queue


def _group_plan(group: list[Append]) -> CommitPlan:
    if len(group) == 1:
        return group[0].plan
    first = group[0].plan
    return GroupPlan(
        commit_id=first.commit_id,
        app_id=None,
        meta={},
        max_retries=first.max_retries,
        keys_since=first.keys_since,
        loads=[append.plan for append in group],
    )


def _tell(group: list[Append], committed: Committed, added: dict[str, int] | None) -> None:
    """Give each load its outcome; the files count once."""
    for append in group:
        info = {**load_info(committed.info, append.plan.metadata()), "added": added}
        append.outcome = Committed(committed.version, info, replayed=False, retries=committed.retries)
        added = {"files": 0, "bytes": 0, "shared": 1}


def _parameters(layout: FileLayout) -> dict[str, str]:
    columns = ",".join(f'"{name}"' for name in layout.partition_by)
    return {"mode": "Append", "partitionBy": f"[{columns}]"}


def _reader(group: list[Append]) -> RecordBatchReader:
    first = group[0].read()

    def batches() -> Iterator[RecordBatch]:
        for append in group:
            yield from first if append is group[0] else append.read()

    return RecordBatchReader.from_batches(first.schema, batches())
