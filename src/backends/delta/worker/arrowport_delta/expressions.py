"""SQL expressions over a table's columns: what a condition is, and what is wrong with one that cannot be used."""

from __future__ import annotations

import re

from arro3.core import DataType
from deltalake import DeltaTable, QueryBuilder

from .errors import MESSAGES, WorkerError, classify

_DOUBTFUL = frozenset(("predicate", "schema", "internal", "corrupt"))
"""Kinds that an expression may be the cause of; the engine's text decides."""

_IN_FILTER = "error evaluating filter predicate"
"""What marks a filter's failure among those of reading a file."""

_UNKNOWN_COLUMN = re.compile(r"no field named (.{1,140}?)\.(?:\s|$)", re.IGNORECASE)
_PARSER = re.compile(
    r"parser ?error[:(]\s*\"?(expected: [^\n]{1,60}?, found: [^\n]{1,40}?)(?: at line|\"\)|$)", re.IGNORECASE
)
_GOES_ON = re.compile(r"parsererror\(\"expected: \), found: ([^\n]{1,60}?)(?: at line|\"\)|$)", re.IGNORECASE)
_TOO_DEEP = re.compile("recursion ?limit", re.IGNORECASE)
_NO_CONDITION = re.compile(r"non-boolean predicate .{1,400}? returning (\w+)", re.IGNORECASE | re.DOTALL)
_OF_ROWS = re.compile(
    r"divide ?by ?zero|cast error|can't cast|cannot cast|overflow|regex parse error|invalid regex|"
    r"error evaluating filter predicate|compute error|value .{1,80} out of range",
    re.IGNORECASE,
)
_OF_TYPES = re.compile(
    r"error during planning|type_coercion|cannot infer|invalid comparison|unable to convert expression|"
    r"cannot access field|optimizer rule|recursionlimit|invalid argument error|not implemented|execution error",
    re.IGNORECASE,
)


def classify_expression(error: BaseException) -> WorkerError:
    """Like ``classify`` where the SQL of the request can be at fault; says what is wrong with it."""
    failure = classify(error)
    if isinstance(error, WorkerError) or failure.kind not in _DOUBTFUL:
        return failure
    text = str(error)
    reason = _reason(text) if failure.kind != "corrupt" or _IN_FILTER in text.lower() else None
    if reason is not None:
        return WorkerError("predicate", reason)
    return WorkerError("predicate", MESSAGES["predicate"]) if failure.kind == "schema" else failure


def check_whole(option: str, text: str) -> None:
    """Refuse a text that goes on behind an expression: the engine takes the expression and passes over the rest.

    Raises ``WorkerError`` predicate. A text that begins with no expression is left to the engine.
    """
    try:
        # Names are looked up once all of it is parsed, that of the table first; nothing is evaluated.
        QueryBuilder().execute(f'select ({text}) from "no such table"')
    except Exception as error:
        if match := _GOES_ON.search(str(error)):
            message = f"{option} is no expression that can be used: an operator is missing before {match[1]}."
            raise WorkerError("predicate", message) from error
        if _TOO_DEEP.search(str(error)):
            message = f"{option} is no expression that can be used: it is nested too deeply."
            raise WorkerError("predicate", message) from error


def check_condition(table: DeltaTable, option: str, text: str) -> None:
    """Refuse an expression that is no condition: the engine takes ``1`` for all rows when it changes a table.

    Raises ``WorkerError`` predicate. An expression that cannot be planned here is left to the engine.
    """
    check_whole(option, text)
    try:
        query = f"select ({text}) as found from target limit 0"
        found = QueryBuilder().register("target", table).execute(query).schema.field(0).type
    except Exception:
        return
    if not (DataType.is_boolean(found) or DataType.is_null(found)):
        raise WorkerError("predicate", f"{option} is no condition: its value is not true or false.")


def _reason(text: str) -> str | None:
    if match := _UNKNOWN_COLUMN.search(text):
        name = match[1].strip('"`')
        return f"The SQL expression names {name!r}, which is no column here; names are case-sensitive."
    if match := _PARSER.search(text):
        return f"The SQL expression does not parse: {match[1][:1].lower()}{match[1][1:]}."
    if _NO_CONDITION.search(text):
        return "The SQL expression is no condition: its value is not true or false."
    if _OF_ROWS.search(text):
        return (
            "The SQL expression fails on values it meets: a division by zero, a number out of range, "
            "a text that is no such value, or a pattern that does not parse."
        )
    if _OF_TYPES.search(text):
        return "The SQL expression does not fit the types of the table's columns, or a function does not take them."
    return None
