"""Loads that widen columns: the table is written anew in the wider types, in the commit of the load.

delta-rs cannot widen a column in place. Old files are read in the types that they were written with, so every
value stays what it was, and the earlier versions of the table stay readable as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from arro3.core import RecordBatchReader
from arro3.core import Schema as ArrowSchema
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction

from .appends import queue_of
from .commits import NO_HOOKS, CommitPlan, Committed, commit_staged, commit_with_retries
from .errors import WorkerError
from .file_parts import rows_in_order
from .locations import CachedTable
from .requests import Arguments
from .staging import FileLayout, StagedFiles, remove_stale, rows_of


@dataclass(frozen=True)
class Rewrite:
    """The schema that the table gets, and whether its rows stay."""

    schema: Schema
    keep_rows: bool

    @staticmethod
    def from_args(args: Arguments | None) -> Rewrite | None:
        """Read the ``rewrite`` of a plan; None where it has none."""
        if args is None:
            return None
        return Rewrite(Schema.from_json(args.text("schema")), args.flag("keep_rows"))


def load_rewritten(
    cached: CachedTable,
    rewrite: Rewrite,
    layout: FileLayout,
    reader: RecordBatchReader,
    commit_id: str,
    finish: Callable[[], CommitPlan],
    check: Callable[[DeltaTable | None], object],
) -> Committed:
    """Write the load's rows, then the table's own, and commit both in place of all files.

    ``finish`` is called when the reader has ended, ``check`` with the table before each try. Other loads of
    this process wait meanwhile; a commit of another one means writing the table's rows once more.
    """
    remove_stale(cached.location)
    staged = StagedFiles(cached.location, commit_id)
    stages = [staged]
    tries = 0

    def commit_both() -> Committed:
        files = staged.write(0, reader, layout)
        commit = finish()
        staged.adopt(files)

        def attempt(table: DeltaTable | None, _properties: CommitProperties) -> bool:
            nonlocal tries
            check(table)
            if table is None:
                raise WorkerError("conflict", "The table went away meanwhile.")
            # Only a new try tells that the commit of the one before is not in the log, whatever its failure said.
            while len(stages) > 1:
                stages.pop().discard()
            tries += 1
            stages.append(StagedFiles(cached.location, f"{commit_id}-{tries}"))
            own = _write_own(cached, rewrite, layout, table, stages[-1]) if rewrite.keep_rows else []
            table.create_write_transaction(
                [*own, *files],
                mode="overwrite",
                schema=rewrite.schema,
                partition_by=layout.partition_by,
                commit_properties=replace(commit, max_retries=0).properties(table.version()),
                post_commithook_properties=NO_HOOKS,
            )
            return True

        with queue_of(cached).paused():
            return commit_with_retries(cached, commit, attempt, exclusive=False)

    committed = commit_staged(stages, commit_both)
    cached.forget()
    return committed


def _write_own(
    cached: CachedTable, rewrite: Rewrite, layout: FileLayout, table: DeltaTable, staged: StagedFiles
) -> list[AddAction]:
    """Write the table's own rows anew."""
    known = replace(layout, arrow_schema=_without_new_columns(rewrite.schema, table))
    files = staged.write(0, rows_in_order(cached.location, table), known)
    if rows_of(files) != table.count():
        raise WorkerError("internal", "The rewritten files do not hold the table's rows.")
    staged.adopt(files)
    return files


def _without_new_columns(schema: Schema, table: DeltaTable) -> ArrowSchema:
    """The columns that the table has, in their new types; the others are null in files that lack them."""
    known = {str(field.name) for field in table.schema().fields}
    arrow = ArrowSchema.from_arrow(schema.to_arrow())
    return ArrowSchema([arrow.field(name) for name in arrow.names if name in known])
