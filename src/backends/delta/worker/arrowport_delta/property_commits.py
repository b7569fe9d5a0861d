"""Commits of table properties that delta-rs would make with a feature that the table does not have.

Where a table's protocol lists features, delta-rs 1.6 adds ``variantType`` to them with whatever property is set, and
readers that know no such type, Spark 3.5 among them, refuse the table from then on.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from typing import Any

from deltalake import CommitProperties, DeltaTable

from .errors import WorkerError
from .locations import Location
from .staging import SCRATCH_PREFIX

_LISTS_FEATURES = 3
"""From this reader version on a table's protocol lists features."""

_WRITER_FEATURES = {"delta.enableChangeDataFeed": "changeDataFeed", "delta.appendOnly": "appendOnly"}
_FOR_DELTA_RS = frozenset(("delta.enableDeletionVectors", "delta.columnMapping.mode", "delta.checkpointPolicy"))


def commit_properties(
    location: Location, table: DeltaTable, properties: dict[str, str], commit: CommitProperties
) -> bool:
    """Commit the properties, of a local table, where delta-rs would add to its features; returns whether it did.

    Raises ``WorkerError`` conflict when another writer was faster.
    """
    protocol = table.protocol()
    if location.local_path is None or protocol.min_reader_version < _LISTS_FEATURES or _FOR_DELTA_RS & set(properties):
        return False
    wanted = {
        _WRITER_FEATURES[name] for name, value in properties.items() if _WRITER_FEATURES.get(name) and value == "true"
    }
    features = set(protocol.writer_features or [])
    actions: list[dict[str, Any]] = [_info(properties, commit), _metadata(table, properties)]
    if not wanted <= features:
        actions.append(
            {
                "protocol": {
                    "minReaderVersion": protocol.min_reader_version,
                    "minWriterVersion": protocol.min_writer_version,
                    "readerFeatures": protocol.reader_features or [],
                    "writerFeatures": sorted(features | wanted),
                }
            }
        )
    _create(os.path.join(location.local_path, "_delta_log"), table.version() + 1, actions)
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


def _create(folder: str, version: int, actions: list[dict[str, Any]]) -> None:
    scratch = os.path.join(folder, f"{SCRATCH_PREFIX}{secrets.token_hex(16)}.json.tmp")
    try:
        with open(scratch, "x", encoding="utf-8") as file:
            file.write("\n".join(json.dumps(action, separators=(",", ":")) for action in actions))
        os.link(scratch, os.path.join(folder, f"{version:020}.json"))
    except FileExistsError as error:
        raise WorkerError("conflict", "Another writer changed the table at the same time.") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
