"""How a load is written, as the server decided when it saw the table, and what that means for the table as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from arro3.core import Schema as ArrowSchema
from deltalake import DeltaTable, Schema, WriterProperties

from .errors import WorkerError
from .merges import MergeClauses
from .parquet import without_rounded_statistics, writer_properties
from .requests import Arguments
from .rewrites import Rewrite
from .staging import FileLayout


@dataclass(frozen=True)
class LoadPlan:
    """What the parent decided after it saw the table's state."""

    mode: str
    late_mode: str | None
    schema: Schema
    arrow_schema: ArrowSchema
    base_schema: str | None
    schema_mode: str | None
    partition_by: list[str]
    configuration: dict[str, str]
    predicate: str | None
    merge: MergeClauses | None
    adopt: bool
    rewrite: Rewrite | None
    absent: Schema | None
    target_file_size: int | None
    writer_properties: WriterProperties

    @staticmethod
    def from_args(args: Arguments) -> LoadPlan:
        """Read the ``plan`` frame."""
        schema = Schema.from_json(args.text("schema"))
        merge = args.nested("merge")
        absent = args.find_text("absent")
        rewrite = Rewrite.from_args(args.nested("rewrite"))
        written = [schema] if rewrite is None else [schema, rewrite.schema]
        return LoadPlan(
            mode=args.text("mode"),
            late_mode=args.find_text("late_mode"),
            schema=schema,
            arrow_schema=ArrowSchema.from_arrow(schema.to_arrow()),
            base_schema=args.find_text("base_schema"),
            schema_mode=args.find_text("schema_mode"),
            partition_by=args.texts("partition_by"),
            configuration=args.mapping("configuration"),
            predicate=args.find_text("predicate"),
            merge=None if merge is None else MergeClauses.from_args(merge),
            adopt=args.flag("adopt"),
            rewrite=rewrite,
            absent=None if absent is None else Schema.from_json(absent),
            target_file_size=args.find_int("target_file_size"),
            writer_properties=without_rounded_statistics(
                writer_properties(args.find_text("compression") or "snappy"), *written
            ),
        )


def append_layout(plan: LoadPlan) -> FileLayout | None:
    """How the files look of a load that only adds ready files to a table; None for other loads."""
    if not plan.adopt or plan.mode != "append" or plan.base_schema is None:
        return None
    return layout_of(plan)


def layout_of(plan: LoadPlan) -> FileLayout:
    """How the files of a load look."""
    return FileLayout(
        arrow_schema=plan.arrow_schema,
        schema_json=plan.base_schema or "",
        partition_by=plan.partition_by,
        configuration=plan.configuration,
        target_file_size=plan.target_file_size,
        writer_properties=plan.writer_properties,
    )


def settle(plan: LoadPlan, table: DeltaTable | None) -> LoadPlan:
    """The plan for the table as it is now: it is refused where the schema is not the one that it was made for.

    A table that another load has made meanwhile, just as this one would have, takes its rows as well.
    """
    now = None if table is None else table.schema().to_json()
    if plan.base_schema is None and now is None:
        return plan
    if table is not None and plan.base_schema is None and plan.late_mode is not None and _is_twin(plan, table):
        return replace(plan, mode=plan.late_mode)
    if plan.base_schema is None or now is None or json.loads(now) != json.loads(plan.base_schema):
        raise WorkerError("schema_changed", "Another writer changed the table's schema at the same time.")
    return plan


def _is_twin(plan: LoadPlan, table: DeltaTable) -> bool:
    """Whether the table is the one that the plan would make."""
    metadata = table.metadata()
    return (
        json.loads(table.schema().to_json()) == json.loads(plan.schema.to_json())
        and metadata.partition_columns == plan.partition_by
        and metadata.configuration == plan.configuration
    )
