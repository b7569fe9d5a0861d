"""Delete and update by predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deltalake import CommitProperties, DeltaTable, WriterProperties

from .aftercare import Aftercare, after_commit
from .commits import NO_HOOKS, CommitPlan, commit_with_retries
from .errors import WorkerError, classify
from .expressions import check_condition, check_whole, classify_expression
from .merges import quoted
from .packed_files import replacing_properties
from .requests import Context


def delete(context: Context) -> dict[str, Any]:
    """Delete the rows that a predicate names."""
    predicate = context.args.text("predicate")

    def run(table: DeltaTable, properties: CommitProperties) -> dict[str, Any]:
        check_condition(table, "predicate", predicate)
        return table.delete(
            predicate=predicate,
            writer_properties=writer_for(context, table),
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
        )

    return change(context, run, classify_expression)


def update(context: Context) -> dict[str, Any]:
    """Set columns to SQL expressions in the rows that a predicate names, or in all."""
    updates = context.args.mapping("updates")
    predicate = context.args.find_text("predicate")
    if not updates:
        raise WorkerError("invalid", "updates must name at least one column.")
    for name, expression in updates.items():
        check_whole(f"updates.{name}", expression)

    def run(table: DeltaTable, properties: CommitProperties) -> dict[str, Any]:
        known = {str(field.name) for field in table.schema().fields}
        for name in updates:
            if name not in known:
                raise WorkerError("invalid", f"The table has no column {name!r}.")
        if predicate is not None:
            check_condition(table, "predicate", predicate)
        return table.update(
            updates={quoted(name): expression for name, expression in updates.items()},
            predicate=predicate,
            writer_properties=writer_for(context, table),
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
        )

    return change(context, run, classify_expression)


def change(context: Context, run: Any, blame: Callable[[BaseException], WorkerError] = classify) -> dict[str, Any]:
    """Run a change with retries; ``blame`` says what its errors stand for.

    The result has the metrics, the latest version, and whether it is the change's.
    """
    args = context.args
    cached = context.cached
    cached.require()
    plan = CommitPlan(
        commit_id=args.text("commit_id"),
        app_id=None,
        meta={},
        max_retries=args.integer("max_commit_retries", 3),
    )
    metrics: dict[str, Any] = {}

    def attempt(table: DeltaTable | None, properties: CommitProperties) -> bool:
        if table is None:
            raise WorkerError("not_found", "There is no such Delta table.")
        before = table.version()
        metrics.clear()
        metrics.update(run(table, properties))
        return table.version() != before

    try:
        committed = commit_with_retries(cached, plan, attempt, exclusive=False)
    except Exception as error:
        raise blame(error) from error
    if committed.changed:
        after_commit(cached, committed.version, Aftercare.from_args(args))
    return {"version": committed.version, "changed": committed.changed, "metrics": metrics}


def writer_for(context: Context, table: DeltaTable) -> WriterProperties:
    """How files that take the place of a table's own are written."""
    return replacing_properties(context.location, table, context.args.find_text("compression") or "snappy")
