"""Makes DuckDB files to migrate, and compares tables with each other through readers of their own."""

import glob
import json
import os
import sys

import duckdb

TYPES = """
create type mood as enum ('sad', 'ok');
create table types as
select i as id, (i % 100)::tinyint as ti, i::smallint as si, i::integer as n, (i * 1000000007)::bigint as b,
  (i % 250)::utinyint as ut, i::usmallint as us, (i * 40)::uinteger as ui,
  (18446744073709551615 - i)::ubigint as ub, (i::hugeint * 10::hugeint ** 30)::hugeint as h, i::uhugeint as uh,
  (i / 3.0)::float as f, case when i = 5 then 'nan'::double else i / 7.0 end as d,
  (i / 100)::decimal(18, 4) as dc, (i * 12345)::decimal(38, 10) as big_dc,
  'text ' || i as s, ('bytes' || i)::blob as bl, i % 2 = 0 as bo, date '2000-01-01' + i::int as dt,
  timestamp '2020-01-01' + to_microseconds(i * 1234567) as ts,
  (timestamp '2020-01-01' + to_microseconds(i * 1234567))::timestamptz as tz,
  (timestamp '2020-01-01' + to_microseconds(i))::timestamp_ns as ns,
  make_timestamp(i * 1000000)::timestamp_s as tss, make_timestamp(i * 1000)::timestamp_ms as tsm,
  to_months((i % 50)::int) + to_days(((i % 40) - 20)::int) + to_microseconds(i * 999) as iv,
  (case when i % 2 = 0 then 'sad' else 'ok' end)::mood as e, uuid() as u, ('{"i": ' || i || '}')::json as j,
  '0101'::bit as bt, make_time((i % 24)::bigint, 1, (i % 60) + 0.123456) as t,
  '12:34:56.123456+05:30'::timetz as ttz, i::bignum as bn,
  [i, null, i + 1] as l, [i::int, 2]::int[2] as ar, {'a': i, 'b': {'c': 'x' || i, 't': time '01:02:03'}} as st,
  map {'k' || i: i} as m, [uuid()] as lu, case when i % 3 = 0 then null else i end as gaps
from (select range as i from range(100)) as r;
insert into types (id) values (1000);
"""


def extension(con):
    """Loads DuckDB's delta extension from its wheel."""
    import duckdb_extension_delta

    folder = os.path.dirname(duckdb_extension_delta.__file__)
    (path,) = glob.glob(os.path.join(folder, "extensions", "v" + duckdb.__version__, "*.duckdb_extension"))
    con.execute(f"load '{path}'")


def make(path, rows):
    con = duckdb.connect(path)
    con.execute(TYPES)
    con.execute("create table empty (a int, b uuid)")
    con.execute("create table nanos as select timestamp_ns '2020-01-01 00:00:00.000000001' as x")
    con.execute("create table unions as select 1::union(a int, b varchar) as y")
    con.execute("create table huge as select {'deep': [170141183460469231731687303715884105727]} as z")
    con.execute("create view a_view as select 1 as x")
    con.execute("create schema sales")
    con.execute(f"create table sales.orders as select range as id, 'order ' || range as name, uuid() as u,"
                f" (range % 3)::utinyint as region from range({rows})")
    con.execute("delete from sales.orders where id % 1000 = 7")


def same(path, one, other):
    """Rows of one table that the other has not, both ways, and columns of other types."""
    con = duckdb.connect(path)
    missing = con.execute(f"select count(*) from (from {one} except all from {other})").fetchone()[0]
    surplus = con.execute(f"select count(*) from (from {other} except all from {one})").fetchone()[0]
    types = [con.execute(f"select column_name, column_type from (describe {t})").fetchall() for t in (one, other)]
    rows = con.execute(f"select count(*) from {other}").fetchone()[0]
    stages = con.execute("select count(*) from duckdb_tables() where table_name like '%migrating%'").fetchone()[0]
    return {"missing": missing, "surplus": surplus, "same_types": types[0] == types[1], "rows": rows, "stages": stages}


def readers(path, table, uri):
    """Compares a table in DuckDB with its Delta copy as DuckDB's delta_scan, deltalake and polars read it."""
    import polars as pl
    from deltalake import DeltaTable

    con = duckdb.connect(path, read_only=True)
    con.execute("set timezone = 'UTC'")
    extension(con)
    con.execute(f"create temp view copy as from delta_scan('{uri}')")
    names = [name for (name,) in con.execute(f"select column_name from (describe {table})").fetchall()]
    types = dict(con.execute("select column_name, column_type from (describe copy)").fetchall())
    differing = []
    for name in names:
        cast = f'cast("{name}" as {types[name]})'
        query = f'select count(*) from (select id, {cast} from {table} except all select id, "{name}" from copy)'
        if con.execute(query).fetchone()[0] != 0:
            differing.append(name)
    arrow = DeltaTable(uri).to_pyarrow_table()
    con.register("by_deltalake", arrow)
    frame = pl.read_delta(uri)
    con.register("by_polars", frame.to_arrow())
    plain = [name for name in names if "[" not in types[name] and "(" not in types[name]]
    listed = ", ".join(f'"{name}"' for name in plain)
    others = {
        reader: con.execute(
            f"select count(*) from (select {listed} from copy except all select {listed} from {reader})"
        ).fetchone()[0]
        for reader in ("by_deltalake", "by_polars")
    }
    nested = frame.sort("id").select("l", "st").row(1)
    return {"differing": differing, **others, "rows": arrow.num_rows, "nested": nested, "types": types}


def tell(value):
    print(json.dumps(value, default=str), flush=True)
    os._exit(0)


if __name__ == "__main__":
    name, *args = sys.argv[1:]
    if name == "make":
        tell(make(args[0], int(args[1])))
    tell({"same": same, "readers": readers}[name](*args))
