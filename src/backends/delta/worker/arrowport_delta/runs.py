"""Several writers for one large load: delta-rs encodes an unpartitioned stream on one core."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from arro3.core import RecordBatch, RecordBatchReader
from deltalake.transaction import AddAction

from .handed_batches import HandedBatches

_MOST_WRITERS = 4
_ROW_GROUP_ROWS = 1 << 20
"""Rows of delta-rs's row groups: a run that ends with one wastes nothing on a short one."""
_LEAST_RUN_BYTES = 32 << 20
_MOST_RUN_BYTES = 96 << 20
"""A run becomes a file: short enough that two writers soon have one each."""
_LONG_STREAM_RUNS = 8
_LONG_STREAM_FACTOR = 4
"""Of a long stream, files of a good size are worth more than that."""
_MOST_AHEAD_BYTES = 96 << 20
_ROWS_AT_ONCE = 16_384
"""delta-rs begins to encode when it has ten pieces, or all: larger ones would keep it from what is there."""
_LEAST_SHARE_BYTES = 8 << 20
"""What is worth a file of its own when a writer has nothing left to do."""


class Runs:
    """Cuts a stream into runs of consecutive batches, one for each writer, and reads at most some megabytes ahead.

    Runs written one after another have the stream's rows in their order. ``whole``: the stream is one run, since each
    one makes a file in every partition.
    """

    def __init__(self, source: RecordBatchReader | HandedBatches, *, whole: bool) -> None:
        self._whole = whole
        self._schema = source.schema
        self._source = source
        self._condition = threading.Condition()
        self._runs: list[_Run] = []
        self._untaken: deque[_Run] = deque()
        self._ahead = 0
        self._done = False
        self._stopped = False
        self._failure: BaseException | None = None

    def write(self, write: Callable[[int, RecordBatchReader], list[AddAction]]) -> list[AddAction]:
        """Call ``write`` with a number for each run and its batches, several at a time; returns all files in order.

        A stream without batches is one run. A writer that has nothing to do when the stream is over takes half of what
        another one has before it. When one call fails the others are stopped, and the first failure is raised.
        """
        threading.Thread(target=self._read, daemon=True).start()
        writers = max(1, min(_MOST_WRITERS, os.cpu_count() or 1))

        def work() -> None:
            try:
                while (run := self._next()) is not None:
                    run.files = write(run.number, self._reader(run))
            except BaseException:
                self.stop()
                raise

        with ThreadPoolExecutor(max_workers=writers, thread_name_prefix="writer") as pool:
            results: list[Future[None]] = [pool.submit(work) for _ in range(writers)]
        for result in results:
            result.result()
        return [file for run in self._runs for file in run.files]

    def stop(self) -> None:
        """Let everything end after the batch that it is at."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def _next(self) -> _Run | None:
        with self._condition:
            while not self._untaken and not self._done and not self._stopped:
                self._condition.wait()
            if self._stopped:
                return None
            return self._untaken.popleft() if self._untaken else self._divide()

    def _divide(self) -> _Run | None:
        """The second half of what waits in the longest run; None where that is too little for a file."""
        longest = max(self._runs, key=_Run.waiting)
        left = longest.waiting()
        if self._whole or left < 2 * _LEAST_SHARE_BYTES or len(longest.batches) < 2:
            return None
        share = _Run(len(self._runs))
        share.closed = True
        half = left // 2
        while left > half and len(longest.batches) > 1:
            moved = longest.batches.pop()
            share.batches.appendleft(moved)
            left -= moved[1]
        self._runs.insert(self._runs.index(longest) + 1, share)
        return share

    def _reader(self, run: _Run) -> RecordBatchReader:
        return RecordBatchReader.from_batches(self._schema, self._take(run))

    def _take(self, run: _Run) -> Iterator[RecordBatch]:
        while True:
            with self._condition:
                while not run.batches and not run.closed and not self._stopped:
                    self._condition.wait()
                if self._failure is not None:
                    raise self._failure
                if self._stopped or not run.batches:
                    return
                batch, size = run.batches.popleft()
                self._ahead -= size
                self._condition.notify_all()
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                yield batch.slice(start, min(_ROWS_AT_ONCE, batch.num_rows - start))
            # Nothing is held while the next one is waited for: its memory may be the one that this one is in.
            del batch

    def _read(self) -> None:
        run = self._begin()
        try:
            for batch in self._source:
                size = batch.nbytes
                if not self._whole and self._is_full(run, batch.num_rows):
                    self._close(run)
                    run = self._begin()
                if not self._append(run, batch, size):
                    return
                del batch
        except BaseException as error:
            self._failure = error
        finally:
            with self._condition:
                self._join_last(run)
                run.closed = True
                self._done = True
                self._condition.notify_all()

    def _join_last(self, last: _Run) -> None:
        """Put what is too little for a file of its own to the run before it, where that is still being written."""
        if self._failure is not None or last.size >= _LEAST_SHARE_BYTES or last not in self._untaken:
            return
        before = self._runs[-2] if len(self._runs) > 1 else last
        if before is last or not before.batches:
            return
        before.batches.extend(last.batches)
        self._runs.pop()
        self._untaken.pop()

    def _is_full(self, run: _Run, more_rows: int) -> bool:
        factor = 1 if len(self._runs) <= _LONG_STREAM_RUNS else _LONG_STREAM_FACTOR
        if run.size < _LEAST_RUN_BYTES * factor:
            return False
        last_rows = run.rows % _ROW_GROUP_ROWS
        return last_rows + more_rows > _ROW_GROUP_ROWS or run.size >= _MOST_RUN_BYTES * factor

    def _begin(self) -> _Run:
        with self._condition:
            run = _Run(len(self._runs))
            self._runs.append(run)
            self._untaken.append(run)
            self._condition.notify_all()
            return run

    def _close(self, run: _Run) -> None:
        with self._condition:
            run.closed = True
            self._condition.notify_all()

    def _append(self, run: _Run, batch: RecordBatch, size: int) -> bool:
        with self._condition:
            while self._ahead >= _MOST_AHEAD_BYTES and not self._stopped:
                self._condition.wait()
            if self._stopped:
                return False
            run.batches.append((batch, size))
            run.size += size
            run.rows += batch.num_rows
            self._ahead += size
            self._condition.notify_all()
            return True


class _Run:
    """Consecutive batches that one writer gets."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.batches: deque[tuple[RecordBatch, int]] = deque()
        self.files: list[AddAction] = []
        self.size = 0
        self.rows = 0
        self.closed = False

    def waiting(self) -> int:
        """Bytes of the batches that the writer has not taken."""
        return sum(size for _, size in self.batches)
