"""Loads: an Arrow IPC stream in, one commit out."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from typing import IO, Any, cast

from arro3.core import RecordBatchReader
from arro3.io import read_ipc_stream
from deltalake import CommitProperties, DeltaTable
from deltalake._internal import create_table_with_add_actions, write_to_deltalake
from deltalake.transaction import AddAction

from .aftercare import Aftercare, after_commit
from .appends import Append, queue_of
from .commits import (
    NO_HOOKS,
    CommitPlan,
    Committed,
    commit_staged,
    commit_with_retries,
    find_replay,
)
from .errors import WorkerError, classify
from .expressions import check_condition, classify_expression
from .handed_batches import HandedBatches
from .incoming import IncomingStream, Replayable
from .load_plan import LoadPlan, append_layout, layout_of, settle
from .locations import CachedTable
from .merges import run_merge
from .null_columns import with_null_columns
from .parquet import with_packed, without_rounded_statistics
from .prefetch import Prefetch
from .ready_files import ReadyFiles
from .requests import Arguments, Context
from .rewrites import Rewrite, load_rewritten
from .runs import Runs
from .staging import StagedFiles, bytes_of, remove_stale, rows_of
from .table_state import describe_state

_DIRECT_BYTES = 16 << 20
"""Loads up to this size are written in one go with their commit; larger ones are staged as they arrive."""


def load(context: Context) -> dict[str, Any]:
    """Take one load: state out, plan in, data in, commit."""
    args = context.args
    cached = context.cached
    connection = context.connection
    app_id = args.find_text("app_id")
    state, replay = _look(cached, app_id, args.integer("keys_since", 0))
    connection.send(
        {
            "table": state,
            "replay": None if replay is None else {"version": replay.version, "info": replay.info},
        }
    )
    header = connection.receive()
    if not isinstance(header.get("plan"), dict):
        raise WorkerError("cancelled", "The load was cancelled.")
    plan_args = Arguments(header["plan"])
    plan = LoadPlan.from_args(plan_args)
    incoming = IncomingStream(connection)
    started = time.monotonic()
    try:
        outcome = _run(context, cached, plan, plan_args, incoming, args.text("commit_id"), app_id)
    except BaseException:
        if incoming.failure is not None:
            raise incoming.failure from None
        raise
    if not outcome.replayed:
        after_commit(cached, outcome.version, Aftercare.from_args(plan_args))
    return {
        "version": outcome.version,
        "info": outcome.info,
        "replayed": outcome.replayed,
        "retries": outcome.retries,
        "ms": round((time.monotonic() - started) * 1000, 1),
    }


def _look(cached: CachedTable, app_id: str | None, keys_since: int) -> tuple[dict[str, Any] | None, Committed | None]:
    """The table's state, None where there is none, and the commit that the key already made."""
    tail = queue_of(cached).tail()
    if tail is not None:
        return dict(tail.state), tail.find_replay(app_id, keys_since)
    table = cached.latest()
    if table is None:
        return None, None
    return describe_state(table), find_replay(cached, table, app_id, keys_since)


def _run(
    context: Context,
    cached: CachedTable,
    plan: LoadPlan,
    plan_args: Arguments,
    incoming: IncomingStream,
    commit_id: str,
    app_id: str | None,
) -> Committed:
    ready = ReadyFiles(cached.location, commit_id, incoming, context.spool_folder)
    try:
        small = incoming.gather(_DIRECT_BYTES)
        taken = ready.take()
    finally:
        ready.close()

    def commit_plan(extra: dict[str, Any]) -> CommitPlan:
        return CommitPlan(
            commit_id=commit_id,
            app_id=app_id,
            meta=dict(incoming.end_meta),
            max_retries=plan_args.integer("max_commit_retries", 3),
            keys_since=context.args.integer("keys_since", 0),
            extra=extra,
        )

    if taken is not None:
        staged, files = taken
        return _commit_staged(cached, plan, staged, files, commit_plan)
    if plan.rewrite is not None:
        return _load_rewritten(cached, plan, plan.rewrite, incoming, commit_id, commit_plan)
    if not small and plan.adopt:
        return _load_staged(cached, plan, incoming, commit_id, commit_plan)
    layout = append_layout(plan)
    if small and layout is not None:

        def write(table: DeltaTable | None, reader: RecordBatchReader, properties: CommitProperties) -> None:
            _write_direct(cached, settle(plan, table), table, reader, properties)

        return queue_of(cached).commit(
            Append(
                likeness=plan_args.likeness() + incoming.first_chunk().hex(),
                layout=layout,
                plan=commit_plan({}),
                stream=incoming.gathered(),
                write=write,
                most_rows=plan_args.find_int("group_rows"),
                most_bytes=plan_args.find_int("group_bytes"),
            )
        )
    return _load_replayed(cached, plan, small, Replayable(incoming, context.spool_folder), commit_plan({}))


def _load_replayed(
    cached: CachedTable, plan: LoadPlan, small: bool, source: Replayable, commit: CommitPlan
) -> Committed:
    """Have delta-rs write and commit at once; each try reads the stream from its start."""
    try:

        def attempt(table: DeltaTable | None, properties: CommitProperties) -> bool:
            if plan.predicate is not None and table is not None:
                return _replace_rows(cached, plan, plan.predicate, table, source, properties)
            _write_direct(cached, settle(plan, table), table, source.reader(), properties)
            return True

        short = small and plan.merge is None and plan.predicate is None
        return commit_with_retries(cached, commit, attempt, exclusive=short)
    finally:
        source.close()


def _replace_rows(
    cached: CachedTable,
    plan: LoadPlan,
    predicate: str,
    table: DeltaTable,
    source: Replayable,
    properties: CommitProperties,
) -> bool:
    check_condition(table, "predicate", predicate)
    try:
        _write_direct(cached, settle(plan, table), table, source.reader(), properties)
    except Exception as error:
        failure = classify(error)
        if failure.kind == "constraint":
            message = (
                "Rows of the load lie outside the predicate, or break a constraint of the table; nothing was written."
            )
            raise WorkerError("constraint", message) from error
        # Rows that do not fit are told from an expression that does not by where the engine says it.
        if failure.kind in ("predicate", "internal"):
            raise classify_expression(error) from error
        raise
    return True


def _load_rewritten(
    cached: CachedTable,
    plan: LoadPlan,
    rewrite: Rewrite,
    incoming: IncomingStream,
    commit_id: str,
    commit_plan: Any,
) -> Committed:
    def finish() -> CommitPlan:
        if not incoming.ended:
            raise WorkerError("cancelled", "The load was cancelled.")
        return cast(CommitPlan, commit_plan({}))

    prefetch = Prefetch(read_ipc_stream(cast(IO[bytes], incoming)))
    prefetch.start()
    try:
        return load_rewritten(
            cached,
            rewrite,
            layout_of(plan),
            prefetch.reader(),
            commit_id,
            finish,
            lambda table: settle(plan, table),
        )
    finally:
        prefetch.stop()


def _write_direct(
    cached: CachedTable,
    plan: LoadPlan,
    table: DeltaTable | None,
    reader: RecordBatchReader,
    properties: CommitProperties,
) -> None:
    if plan.absent is not None:
        reader = with_null_columns(reader, plan.absent)
    if plan.merge is not None:
        if table is None:
            raise WorkerError("not_found", "There is no such Delta table.")
        writer = without_rounded_statistics(plan.writer_properties, table.schema(), plan.schema)
        run_merge(table, reader, plan.arrow_schema, plan.merge, writer, properties)
        return
    if table is None:
        write_to_deltalake(
            table_uri=cached.location.uri,
            data=reader,
            batch_schema=plan.arrow_schema,
            partition_by=plan.partition_by or None,
            mode="append",
            schema_mode=None,
            predicate=None,
            target_file_size=plan.target_file_size,
            name=None,
            description=None,
            configuration=plan.configuration,
            storage_options=dict(cached.location.options) or None,
            writer_properties=plan.writer_properties,
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
        )
        return
    table._table.write(
        data=reader,
        batch_schema=plan.arrow_schema,
        partition_by=plan.partition_by or None,
        mode=plan.mode,
        schema_mode=plan.schema_mode,
        predicate=plan.predicate,
        target_file_size=plan.target_file_size,
        name=None,
        description=None,
        configuration=None,
        writer_properties=without_rounded_statistics(plan.writer_properties, table.schema(), plan.schema),
        commit_properties=properties,
        post_commithook_properties=NO_HOOKS,
    )


def _load_staged(
    cached: CachedTable, plan: LoadPlan, incoming: IncomingStream, commit_id: str, commit_plan: Any
) -> Committed:
    remove_stale(cached.location)
    staged = StagedFiles(cached.location, commit_id)
    runs = Runs(_batches(incoming), whole=bool(plan.partition_by))
    plan = replace(plan, writer_properties=with_packed(plan.writer_properties, plan.schema, incoming.packed))
    try:
        files = runs.write(lambda number, reader: _write_part(staged, number, reader, plan))
        if not incoming.ended:
            raise WorkerError("cancelled", "The load was cancelled.")
    except BaseException:
        staged.discard()
        raise
    return _commit_staged(cached, plan, staged, files, commit_plan)


def _batches(incoming: IncomingStream) -> RecordBatchReader | HandedBatches:
    if not incoming.has_batches:
        return read_ipc_stream(cast(IO[bytes], incoming))
    return HandedBatches(read_ipc_stream(io.BytesIO(incoming.first_chunk())).schema, incoming)


def _commit_staged(
    cached: CachedTable, plan: LoadPlan, staged: StagedFiles, files: list[AddAction], commit_plan: Any
) -> Committed:
    def commit() -> Committed:
        staged.adopt(files)
        extra = {
            "operationMetrics": {
                "num_added_files": len(files),
                "num_added_rows": rows_of(files),
                "num_added_bytes": bytes_of(files),
            }
        }

        def attempt(table: DeltaTable | None, properties: CommitProperties) -> bool:
            adopt_files(cached, settle(plan, table), table, files, properties)
            return True

        layout = append_layout(plan)
        appended = None
        if layout is not None:
            appended = queue_of(cached).commit_files(files, layout, commit_plan({}))
        return appended or commit_with_retries(cached, commit_plan(extra), attempt, exclusive=True)

    return commit_staged([staged], commit)


def _write_part(staged: StagedFiles, part: int, reader: RecordBatchReader, plan: LoadPlan) -> list[AddAction]:
    return staged.write(part, reader, layout_of(plan))


def adopt_files(
    cached: CachedTable,
    plan: LoadPlan,
    table: DeltaTable | None,
    files: list[AddAction],
    properties: CommitProperties,
) -> None:
    """Commit Parquet files that are already in the table's place."""
    if table is None:
        create_table_with_add_actions(
            table_uri=cached.location.uri,
            schema=plan.schema,
            add_actions=files,
            mode="error",
            partition_by=plan.partition_by,
            name=None,
            description=None,
            configuration=plan.configuration,
            storage_options=dict(cached.location.options) or None,
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
        )
        return
    table.create_write_transaction(
        [*files],
        mode="overwrite" if plan.mode == "overwrite" else "append",
        schema=plan.schema if plan.mode == "overwrite" and plan.schema_mode == "overwrite" else table.schema(),
        partition_by=plan.partition_by,
        commit_properties=properties,
        post_commithook_properties=NO_HOOKS,
    )
