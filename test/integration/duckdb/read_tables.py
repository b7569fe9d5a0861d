"""Tables of a database file as Arrow, each in the order its rows were inserted in."""

import duckdb
import pyarrow as pa

from arrow_values import INTERVAL_PARTS


def open_file(path):
    connection = duckdb.connect(path, read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def read_table(connection, name):
    columns = connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
    selected = ", ".join(_select(column, kind) for column, kind, *_ in columns)
    found = connection.execute(f"SELECT {selected} FROM {quoted(name)}").arrow()
    return found if isinstance(found, pa.Table) else found.read_all()


def _select(name, kind):
    column = quoted(name)
    if kind != "INTERVAL":
        return column
    parts = (
        f"date_part('year', {column}) * 12 + date_part('month', {column})",
        f"date_part('day', {column})",
        f"date_part('hour', {column}) * 3600000000 + date_part('minute', {column}) * 60000000"
        f" + date_part('microseconds', {column})",
    )
    fields = ", ".join(f"{part} := {value}" for part, value in zip(INTERVAL_PARTS, parts))
    return f"CASE WHEN {column} IS NOT NULL THEN struct_pack({fields}) END AS {column}"


def table_names(connection):
    rows = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE schema_name <> '_arrowport'")
    return sorted(name if schema == "main" else f"{schema}.{name}" for schema, name in rows.fetchall())
