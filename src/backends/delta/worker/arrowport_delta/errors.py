"""Kinds of errors that cross the wire; texts of delta-rs never do."""

from __future__ import annotations

import errno
import json
import re

from deltalake.exceptions import (
    CommitFailedError,
    DeltaProtocolError,
    SchemaMismatchError,
    TableNotFoundError,
)


class WorkerError(Exception):
    """An error whose message may be shown to clients.

    ``kind`` is one of those in the table of the README.
    """

    def __init__(self, kind: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


MESSAGES = {
    "conflict": "Another writer changed the table at the same time.",
    "not_found": "There is no such Delta table.",
    "version_not_found": "The table has no such version, or its files were vacuumed.",
    "schema": "The data does not fit the table.",
    "predicate": "The SQL expression does not parse, or does not fit the columns of the table.",
    "no_bucket": "The bucket or container of the tables does not exist.",
    "storage_unavailable": "The table's storage does not answer.",
    "auth": "The table's storage refuses the credentials.",
    "io_full": "The table's storage is full.",
    "corrupt": "The table's log or one of its files cannot be read.",
    "no_feed": "A version of the range was written without the change data feed; begin at a later one.",
    "malformed": "The buffers of the stream do not hold what its metadata says.",
    "constraint": "Rows break a constraint of the Delta table; nothing was written.",
    "invalid": "The request cannot be carried out on this table.",
    "type": "A value of a partition column is too long to name the folder of its partition.",
    "append_only": "The table only grows (delta.appendOnly): its rows cannot be changed, removed or replaced.",
    "ambiguous": "Several rows of the load match one row of the table: each key must be there once in the load.",
    "unsupported": "delta-rs cannot do this to a table with such features, column mapping among them.",
    "internal": "The Delta worker failed.",
}
"""What clients are told of each kind where nothing more is known."""

_INVALID = frozenset(("no_feed", "append_only", "ambiguous", "unsupported"))
"""What the parent need not tell apart from other requests that cannot be carried out."""

_FEATURE_NAMES = (
    "columnMapping",
    "rowTracking",
    "clustering",
    "typeWidening",
    "allowColumnDefaults",
    "inCommitTimestamp",
    "identityColumns",
    "icebergCompatV1",
    "icebergCompatV2",
    "variantType",
    "domainMetadata",
    "collations",
)
_FEATURES = re.compile("|".join(re.sub("(?=[A-Z])", "[ _-]?", name) for name in _FEATURE_NAMES), re.IGNORECASE)

# The first pattern that is found in the lower-cased text decides.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("append_only", r"table is append-only"),
    ("ambiguous", r"matched a target row with multiple source rows"),
    ("type", r"file name too long|os error 36\b"),
    (
        "unsupported",
        r"not supported for (write|read) operation|on column-mapped tables|not yet supported by the deltalake|"
        r"unsupported (reader|writer) feature|unsupported table features|minimum (reader|writer) version",
    ),
    ("constraint", r"unmasked nulls for non-nullable"),
    ("io_full", r"no space left on device|os error 28\b|storagefull|quota exceeded|os error 122\b"),
    ("no_bucket", r"nosuchbucket|bucket does not exist|containernotfound|specified container does not exist"),
    (
        "auth",
        r"403 forbidden|401 unauthorized|invalidaccesskeyid|signaturedoesnotmatch|accessdenied|access denied|"
        r"permission ?denied|permission denied|expiredtoken|invalidtoken|unauthenticated|credential",
    ),
    (
        "conflict",
        r"commit conflict|concurrent|metadata changed since last commit|protocol changed since|"
        r"failed to commit transaction: \d+|version already exists|maximum number of commit|"
        r"a concurrent transaction",
    ),
    (
        "storage_unavailable",
        r"error sending request|connection refused|connection reset|connect error|dns error|timed? ?out|"
        r"timeout|503 service|500 internal|502 bad|504 gateway|slowdown|429 too many|error after \d+ retries|"
        r"max_retries|upload aborted|unreachable|os error 111\b|os error 5\b|os error 30\b|os error 24\b|"
        r"could not create local directory|read-?only file ?system|too many open files",
    ),
    (
        "version_not_found",
        r"find missing file .* when restore|"
        r"version mismatch|invalid version|no commit file|version \d+ (not|does not)|cannot find version",
    ),
    (
        "malformed",
        # What reading the stream came upon; nothing else is handed over by this interface.
        r"c data interface error: (c data interface error: )*(io error: (src size|decompression|wrongmagic|"
        r"blocktoobig|unsupportedversion)|ipc error|invalid argument error)",
    ),
    ("no_feed", r"change data enabled|change data feed"),
    (
        "constraint",
        r"invalid data found|failed validation|check or invariant|constraint|invariant|generated column",
    ),
    (
        "predicate",
        r"sql error|parsererror|parser error|schema error: no field|no field named|field not found|"
        r"error during planning|type_coercion|cannot coerce|invalid function|"
        r"could not parse|unexpected token|tokenizer",
    ),
    ("schema", r"cannot cast|schema mismatch|schemamismatch|field .* not found in schema|cannot merge"),
    (
        "corrupt",
        r"corrupt|failed to parse parquet|json error|invalid json|eof while parsing|parquet error|"
        r"invalid parquet|checksum|"
        r"missing metadata|no table metadata|metadata or protocol|expected contiguous commit files|"
        r"less than footer|parquet footer",
    ),
    ("not_found", r"not a delta table|no files in log segment|table does not exist|no table"),
)


def classify(error: BaseException) -> WorkerError:
    """Give an error its kind. The message is ours; what delta-rs said stays in the log."""
    if isinstance(error, WorkerError):
        return error
    kind = _kind_of(error)
    if kind == "unsupported":
        return WorkerError("invalid", _name_features(str(error)))
    return WorkerError("invalid" if kind in _INVALID else kind, MESSAGES[kind])


def _name_features(text: str) -> str:
    """Say which features of the table are in the way, where the engine names them."""
    found = {re.sub(r"[ _-]", "", name).lower() for name in _FEATURES.findall(text)}
    names = [name for name in _FEATURE_NAMES if name.lower() in found]
    return f"delta-rs cannot do this to a table with {', '.join(names)}." if names else MESSAGES["unsupported"]


def _kind_of(error: BaseException) -> str:
    text = str(error).lower()
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "io_full"
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "corrupt"
    for kind, pattern in _PATTERNS:
        if re.search(pattern, text):
            return kind
    if isinstance(error, TableNotFoundError):
        return "not_found"
    if isinstance(error, CommitFailedError):
        return "conflict"
    if isinstance(error, SchemaMismatchError):
        return "schema"
    if isinstance(error, (DeltaProtocolError, FileNotFoundError)):
        return "corrupt"
    if isinstance(error, OSError):
        return "storage_unavailable"
    return "internal"
