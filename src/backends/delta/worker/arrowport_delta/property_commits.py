"""Commits of table properties that delta-rs would make with a feature that the table does not have.

Where a table's protocol lists features for readers, delta-rs 1.6 adds ``variantType`` to them with whatever property is
set, and readers that know no such type, Spark 3.5 among them, refuse the table from then on. Where it lists those for
writers only, delta-rs raises the version that readers need.
"""

from __future__ import annotations

import json
import time
from typing import Any

from deltalake import CommitProperties, DeltaTable

from .errors import MESSAGES, WorkerError
from .locations import Location
from .log_files import LinksUnsupported, create_commit

_LISTS_FEATURES = 7
"""From this writer version on a table's protocol lists the features for writers."""

_LISTS_READER_FEATURES = 3
"""From this reader version on a table's protocol lists those for readers as well."""

_WRITER_FEATURES = {"delta.enableChangeDataFeed": "changeDataFeed", "delta.appendOnly": "appendOnly"}
_KNOWN_FEATURES = frozenset(
    (
        "appendOnly",
        "invariants",
        "checkConstraints",
        "changeDataFeed",
        "generatedColumns",
        "columnMapping",
        "timestampNtz",
        "deletionVectors",
        "v2Checkpoint",
    )
)
"""Features that ask nothing of a commit of properties; delta-rs refuses tables with others, naming them."""

_FOR_DELTA_RS = frozenset(("delta.enableDeletionVectors", "delta.columnMapping.mode", "delta.checkpointPolicy"))


def commit_properties(
    location: Location, table: DeltaTable, properties: dict[str, str], commit: CommitProperties
) -> bool:
    """Commit the properties, of a local table, where delta-rs would add to its features; returns whether it did.

    Raises ``WorkerError`` conflict when another writer was faster.
    """
    protocol = table.protocol()
    features = set(protocol.writer_features or [])
    if (
        location.local_path is None
        or protocol.min_writer_version < _LISTS_FEATURES
        or not features <= _KNOWN_FEATURES
        or _FOR_DELTA_RS & set(properties)
    ):
        return False
    wanted = {
        _WRITER_FEATURES[name] for name, value in properties.items() if _WRITER_FEATURES.get(name) and value == "true"
    }
    actions: list[dict[str, Any]] = [_info(properties, commit), _metadata(table, properties)]
    if not wanted <= features:
        changed: dict[str, Any] = {
            "minReaderVersion": protocol.min_reader_version,
            "minWriterVersion": protocol.min_writer_version,
            "writerFeatures": sorted(features | wanted),
        }
        if protocol.min_reader_version >= _LISTS_READER_FEATURES:
            changed["readerFeatures"] = protocol.reader_features or []
        actions.append({"protocol": changed})
    try:
        if not create_commit(location, table.version() + 1, actions):
            raise WorkerError("conflict", MESSAGES["conflict"])
    except LinksUnsupported:
        return False
    table.update_incremental()
    return True


def _info(properties: dict[str, str], commit: CommitProperties) -> dict[str, Any]:
    return {
        "commitInfo": {
            "timestamp": int(time.time() * 1000),
            "operation": "SET TBLPROPERTIES",
            "operationParameters": {"properties": json.dumps(properties, separators=(",", ":"))},
            "engineInfo": "arrowport",
            **(commit.custom_metadata or {}),
        }
    }


def _metadata(table: DeltaTable, properties: dict[str, str]) -> dict[str, Any]:
    metadata = table.metadata()
    return {
        "metaData": {
            "id": str(metadata.id),
            "name": metadata.name,
            "description": metadata.description,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": table.schema().to_json(),
            "partitionColumns": metadata.partition_columns,
            "createdTime": metadata.created_time,
            "configuration": {**metadata.configuration, **properties},
        }
    }
