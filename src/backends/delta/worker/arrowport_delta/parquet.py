"""How Parquet files are written."""

from __future__ import annotations

from typing import Any, cast

from deltalake import WriterProperties

from .errors import WorkerError

_COMPRESSIONS = {"snappy": "SNAPPY", "gzip": "GZIP", "lz4": "LZ4_RAW", "zstd": "ZSTD", "none": "UNCOMPRESSED"}
_LEVELS = {"gzip": 6, "zstd": 3}
_DICTIONARY_BYTES = 256 << 10
"""A column whose dictionary grows beyond this is written plainly: the default of a megabyte costs an eighth more time
and makes larger files."""


def writer_properties(compression: str) -> WriterProperties:
    """The properties for a compression of the configuration."""
    name = _COMPRESSIONS.get(compression)
    if name is None:
        raise WorkerError("invalid", "compression must be snappy, gzip, lz4, zstd or none.")
    return WriterProperties(
        compression=cast(Any, name),
        compression_level=_LEVELS.get(compression),
        dictionary_page_size_limit=_DICTIONARY_BYTES,
    )
