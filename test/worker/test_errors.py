"""Errors get their kinds, and texts of the engine never leave the worker."""

from __future__ import annotations

import errno

import pytest

from arrowport_delta.errors import WorkerError, classify
from arrowport_delta.logs import redact, remember_secrets

CASES = (
    (OSError(errno.ENOSPC, "disk"), "io_full"),
    (OSError("Generic S3 error: 403 Forbidden"), "auth"),
    (OSError("Generic S3 error: error sending request for url"), "storage_unavailable"),
    (OSError("<Error><Code>NoSuchBucket</Code>"), "no_bucket"),
    (Exception("Failed to commit transaction: 15"), "conflict"),
    (Exception("Generic error: Find missing file part-1.parquet when restore."), "version_not_found"),
    (Exception("External error: Invalid data found: 1 rows failed validation check."), "constraint"),
    (Exception("The transaction includes Remove action but Delta table is append-only"), "invalid"),
    (Exception("Column mapping is not supported for write operation 'OPTIMIZE' yet"), "invalid"),
    (Exception("SQL error: ParserError"), "predicate"),
    (Exception("Kernel error: Expected contiguous commit files, but found gap: ParsedLogPath"), "corrupt"),
    (Exception("Kernel error: Arrow error: EOF: file size of 1 is less than footer"), "corrupt"),
    (Exception("C Data interface error: Invalid argument error: Last offset 9 of Utf8 is larger"), "malformed"),
    (
        Exception("C Data interface error: C Data interface error: Invalid argument error: null_count value (80)"),
        "malformed",
    ),
    (ValueError("anything else"), "internal"),
    (WorkerError("schema", "kept as it is"), "schema"),
)


@pytest.mark.parametrize(("error", "kind"), CASES)
def test_every_error_has_a_kind(error: Exception, kind: str) -> None:
    found = classify(error)
    assert found.kind == kind
    assert found is error or str(error) not in str(found)


def test_features_that_are_in_the_way_are_named() -> None:
    text = "External error: Column mapping is not supported for read operation 'CHANGE DATA FEED scans' yet"
    assert str(classify(Exception(text))) == "delta-rs cannot do this to a table with columnMapping."
    text = "Unsupported table features required: [RowTracking, DomainMetadata, Unheard]"
    assert "rowTracking, domainMetadata." in str(classify(Exception(text)))
    assert "such features" in str(classify(Exception("Unsupported table features required: [Unheard]")))


def test_secrets_are_taken_out_of_texts() -> None:
    remember_secrets({"aws_secret_access_key": "very-secret-value", "region": "eu-central-1"})
    text = redact("url https://me:pass@host/x?X-Amz-Signature=abc very-secret-value in eu-central-1")
    assert "very-secret" not in text
    assert "pass" not in text
    assert "abc" not in text
    assert "eu-central-1" in text
