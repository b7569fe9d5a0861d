"""Expressions that cannot be used are told apart from tables that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from arro3.core import Array, DataType, Table
from deltalake import DeltaTable, write_deltalake

from arrowport_delta.errors import WorkerError
from arrowport_delta.expressions import check_condition, check_whole, classify_expression


@pytest.fixture
def table(tmp_path: Path) -> DeltaTable:
    columns = {"id": Array([1, 2], DataType.int64()), "name": Array(["a", "b"], DataType.string())}
    write_deltalake(str(tmp_path / "t"), Table(columns))
    return DeltaTable(str(tmp_path / "t"))


@pytest.mark.parametrize("text", ("id < 5", "null", "true", "name like 'a%' or id is null", "nothing = 1"))
def test_conditions_and_what_the_engine_judges_pass(table: DeltaTable, text: str) -> None:
    check_condition(table, "predicate", text)


@pytest.mark.parametrize("text", ("1", "'x'", "id", "id + 1", "name"))
def test_what_is_no_condition_is_refused(table: DeltaTable, text: str) -> None:
    with pytest.raises(WorkerError, match="no condition"):
        check_condition(table, "predicate", text)


WHOLE = (
    "id = 1",
    "id < 5 and not (name like 'a%' or name is null)",
    "case id when 1 then true else false end",
    "extract(year from ts) = 1970 and substring(name from 1 for 2) = 'a''b'",
    "s['x'] = 1 and s.x is distinct from 2 and l[1] = 2",
    "`my column` = 1 and \"my column\" between 1 and 2",
    "cast(id as decimal(5, 2)) = 1 and id::int = 1 and id % 2 = 0",
    "ts > timestamp '2026-01-01' - interval '1' day",
    "(" * 40 + "id = 1" + ")" * 40,
)


@pytest.mark.parametrize("text", WHOLE)
def test_whole_expressions_pass(text: str) -> None:
    check_whole("filter", text)


@pytest.mark.parametrize("text", ("id < 5 id = 1", "true 'x'", "id = 1 as x", "1 2", "(id = 1) name", "id = 1 ]"))
def test_what_stands_behind_an_expression_is_refused(text: str) -> None:
    with pytest.raises(WorkerError, match="filter is no expression that can be used: an operator is missing before"):
        check_whole("filter", text)


def test_what_cannot_be_looked_through_is_refused() -> None:
    with pytest.raises(WorkerError, match="nested too deeply"):
        check_whole("filter", "(" * 48 + "true" + ")" * 48 + " id")


CASES = (
    ("nothing = 1", "'nothing', which is no column"),
    ("ID = 1", "case-sensitive"),
    ("id <", "does not parse: expected: an expression, found: EOF"),
    ("id = 99999999999999999999999", "values it meets"),
    ("id / 0 = 1", "values it meets"),
    ("name ~ '('", "values it meets"),
    ("id < date '2026-01-01'", "types of the table's columns"),
    ("id = (1, 2)", "types of the table's columns"),
    ("name.x = 1", "types of the table's columns"),
)


@pytest.mark.parametrize(("text", "words"), CASES)
def test_says_what_is_wrong(table: DeltaTable, text: str, words: str) -> None:
    delete: Callable[[str], object] = table.delete
    with pytest.raises(Exception) as thrown:
        delete(text)
    found = classify_expression(thrown.value)
    assert (found.kind, words in str(found)) == ("predicate", True), str(found)


def test_damaged_files_are_not_the_expressions_fault() -> None:
    assert classify_expression(Exception("Parquet error: Invalid Parquet file. Corrupt footer")).kind == "corrupt"
    assert classify_expression(OSError("Generic S3 error: 403 Forbidden")).kind == "auth"
