"""Decodes a stream's batches ahead of the writers that pull them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from arro3.core import RecordBatch, RecordBatchReader

_MOST_BYTES = 32 << 20


class Prefetch:
    """Reads batches in a thread of its own, at most some megabytes ahead.

    The writer pulls from inside an async runtime, where waiting for a socket would hold up its other tasks.
    """

    def __init__(self, source: RecordBatchReader) -> None:
        self._schema = source.schema
        self._source = source
        self._condition = threading.Condition()
        self._batches: deque[tuple[RecordBatch, int]] = deque()
        self._bytes = 0
        self._done = False
        self._stopped = False
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, daemon=True).start()

    def reader(self) -> RecordBatchReader:
        """A reader of batches; each batch goes to one reader only."""
        return RecordBatchReader.from_batches(self._schema, self._take())

    def stop(self) -> None:
        """Let the thread end after the batch that it is reading."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def _run(self) -> None:
        try:
            for batch in self._source:
                size = batch.nbytes
                with self._condition:
                    while self._bytes >= _MOST_BYTES and not self._stopped:
                        self._condition.wait()
                    if self._stopped:
                        return
                    self._batches.append((batch, size))
                    self._bytes += size
                    self._condition.notify_all()
        except BaseException as error:
            self._failure = error
        finally:
            with self._condition:
                self._done = True
                self._condition.notify_all()

    def _take(self) -> Iterator[RecordBatch]:
        while True:
            with self._condition:
                while not self._batches and not self._done and not self._stopped:
                    self._condition.wait()
                if self._stopped or not self._batches:
                    if self._failure is not None:
                        raise self._failure
                    return
                batch, size = self._batches.popleft()
                self._bytes -= size
                self._condition.notify_all()
            yield batch
