"""What is said of a table: its state for a load, its info for people."""

from __future__ import annotations

import json
from typing import Any

from deltalake import DeltaTable


def describe_state(table: DeltaTable) -> dict[str, Any]:
    """What the parent needs to plan a load."""
    metadata = table.metadata()
    protocol = table.protocol()
    return {
        "version": table.version(),
        "schema": table.schema().to_json(),
        "partition_columns": metadata.partition_columns,
        "configuration": metadata.configuration,
        "writer_features": protocol.writer_features or [],
        "min_writer_version": protocol.min_writer_version,
    }


def describe_info(name: str, table: DeltaTable) -> dict[str, Any]:
    """Files, bytes, rows, partitions, schema and properties of a table."""
    totals = count_files(table)
    metadata = table.metadata()
    return {
        "table": name,
        "version": table.version(),
        "file_count": totals["files"],
        "total_size_bytes": totals["bytes"],
        "row_count": totals["rows"],
        "partitions": metadata.partition_columns,
        "schema": json.loads(table.schema().to_json()),
        "properties": metadata.configuration,
    }


def count_files(table: DeltaTable) -> dict[str, int]:
    """Files, bytes and rows of the table's version."""
    sizes = list(table._table.get_add_file_sizes().values())
    return {"files": len(sizes), "bytes": sum(sizes), "rows": table.count()}
