"""Several writers for one large load: delta-rs encodes an unpartitioned stream on one core."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from arro3.core import RecordBatch, RecordBatchReader
from deltalake.transaction import AddAction

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


class Runs:
    """Cuts a stream into runs of consecutive batches, one for each writer, and reads at most some megabytes ahead.

    Runs written one after another have the stream's rows in their order. ``whole``: the stream is one run, since each
    one makes a file in every partition.
    """

    def __init__(self, source: RecordBatchReader, *, whole: bool) -> None:
        self._whole = whole
        self._schema = source.schema
        self._source = source
        self._condition = threading.Condition()
        self._runs: list[_Run] = []
        self._taken = 0
        self._ahead = 0
        self._done = False
        self._stopped = False
        self._failure: BaseException | None = None

    def write(self, write: Callable[[int, RecordBatchReader], list[AddAction]]) -> list[AddAction]:
        """Call ``write`` with the number of each run and its batches, several at a time; returns all files in order.

        A stream without batches is one run. When one call fails the others are stopped, and the first failure is
        raised.
        """
        threading.Thread(target=self._read, daemon=True).start()
        writers = max(1, min(_MOST_WRITERS, os.cpu_count() or 1))
        files: dict[int, list[AddAction]] = {}

        def work() -> None:
            try:
                while (number := self._next()) is not None:
                    files[number] = write(number, self._reader(self._runs[number]))
            except BaseException:
                self.stop()
                raise

        with ThreadPoolExecutor(max_workers=writers, thread_name_prefix="writer") as pool:
            results: list[Future[None]] = [pool.submit(work) for _ in range(writers)]
        for result in results:
            result.result()
        return [file for number in sorted(files) for file in files[number]]

    def stop(self) -> None:
        """Let everything end after the batch that it is at."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def _next(self) -> int | None:
        with self._condition:
            while self._taken == len(self._runs) and not self._done and not self._stopped:
                self._condition.wait()
            if self._stopped or self._taken == len(self._runs):
                return None
            self._taken += 1
            return self._taken - 1

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
            yield batch

    def _read(self) -> None:
        run = _Run()
        try:
            self._begin(run)
            for batch in self._source:
                size = batch.nbytes
                if not self._whole and self._is_full(run, batch.num_rows):
                    self._close(run)
                    run = _Run()
                    self._begin(run)
                if not self._append(run, batch, size):
                    return
        except BaseException as error:
            self._failure = error
        finally:
            with self._condition:
                run.closed = True
                self._done = True
                self._condition.notify_all()

    def _is_full(self, run: _Run, more_rows: int) -> bool:
        factor = 1 if len(self._runs) <= _LONG_STREAM_RUNS else _LONG_STREAM_FACTOR
        if run.size < _LEAST_RUN_BYTES * factor:
            return False
        last_rows = run.rows % _ROW_GROUP_ROWS
        return last_rows + more_rows > _ROW_GROUP_ROWS or run.size >= _MOST_RUN_BYTES * factor

    def _begin(self, run: _Run) -> None:
        with self._condition:
            self._runs.append(run)
            self._condition.notify_all()

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

    def __init__(self) -> None:
        self.batches: deque[tuple[RecordBatch, int]] = deque()
        self.size = 0
        self.rows = 0
        self.closed = False
