"""Merges: rows of a load matched with rows of a table by key columns."""

from __future__ import annotations

from dataclasses import dataclass

from arro3.core import RecordBatchReader
from arro3.core import Schema as ArrowSchema
from deltalake import CommitProperties, DeltaTable, WriterProperties
from deltalake.table import TableMerger

from .commits import NO_HOOKS
from .errors import WorkerError
from .requests import Arguments

SOURCE = "source"
TARGET = "target"


@dataclass(frozen=True)
class MergeClauses:
    """Key columns, and what happens to rows that match and rows that do not."""

    on: list[str]
    when_matched: str
    when_not_matched: str
    merge_schema: bool

    @staticmethod
    def from_args(args: Arguments) -> MergeClauses:
        """Read the ``merge`` of a plan."""
        clauses = MergeClauses(
            on=args.texts("on"),
            when_matched=args.find_text("when_matched") or "update",
            when_not_matched=args.find_text("when_not_matched") or "insert",
            merge_schema=args.flag("merge_schema"),
        )
        if not clauses.on:
            raise WorkerError("invalid", "on must name the key columns of the merge.")
        if clauses.when_matched not in ("update", "delete", "ignore"):
            raise WorkerError("invalid", "when_matched must be update, delete or ignore.")
        if clauses.when_not_matched not in ("insert", "ignore"):
            raise WorkerError("invalid", "when_not_matched must be insert or ignore.")
        return clauses


def run_merge(
    table: DeltaTable,
    reader: RecordBatchReader,
    schema: ArrowSchema,
    clauses: MergeClauses,
    writer_properties: WriterProperties,
    properties: CommitProperties,
) -> None:
    """Merge the reader's rows and commit. Null keys never match, as in SQL."""
    merger = TableMerger(
        table._table.create_merge_builder(
            source=reader,
            batch_schema=schema,
            predicate=" AND ".join(f"{TARGET}.{quoted(name)} = {SOURCE}.{quoted(name)}" for name in clauses.on),
            source_alias=SOURCE,
            target_alias=TARGET,
            merge_schema=clauses.merge_schema,
            writer_properties=writer_properties,
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
            safe_cast=False,
            streamed_exec=True,
            max_spill_size=None,
            max_temp_directory_size=None,
        ),
        table._table,
    )
    assignments = {quoted(name): f"{SOURCE}.{quoted(name)}" for name in schema.names}
    if clauses.when_matched == "update":
        merger = merger.when_matched_update(assignments)
    elif clauses.when_matched == "delete":
        merger = merger.when_matched_delete()
    if clauses.when_not_matched == "insert":
        merger = merger.when_not_matched_insert(assignments)
    merger.execute()


def quoted(name: str) -> str:
    """A column name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
