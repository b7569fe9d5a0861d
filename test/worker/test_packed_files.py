"""Which columns are packed is read from the footers of a table's files."""

from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from arrowport_delta.locations import Location
from arrowport_delta.packed_files import packed_columns
from arrowport_delta.parquet import with_packed, writer_properties


def _write(folder: Path, table: pa.Table, packed: list[str]) -> tuple[Location, DeltaTable]:
    write_deltalake(str(folder), table)
    schema = DeltaTable(str(folder)).schema()
    properties = with_packed(writer_properties("snappy"), schema, packed)
    write_deltalake(str(folder), table, mode="overwrite", writer_properties=properties)
    return Location(str(folder), {}), DeltaTable(str(folder))


def test_packed_columns_of_every_type_are_found_and_no_others(tmp_path: Path) -> None:
    """Names in structs, and types that are no integers, are not packed."""
    counted = pa.array(range(1000), pa.int64())
    columns = {
        "a b/ü": counted,
        "plain": counted,
        "text": counted.cast(pa.string()),
        "day": counted.cast(pa.int32()).cast(pa.date32()),
    }
    columns["inner"] = pa.StructArray.from_arrays([counted], ["day"])
    columns["flag"] = pa.array([True, None] * 500)
    names = ["a b/ü", "text", "day", "inner", "flag", "missing"]
    assert packed_columns(*_write(tmp_path / "t", pa.table(columns), names)) == ["a b/ü", "day"]


def test_a_footer_larger_than_what_is_read_first_is_read_whole(tmp_path: Path) -> None:
    """Tables of many columns have such ones."""
    wide = pa.table({f"a_column_with_a_long_name_{n}": pa.array([n], pa.int64()) for n in range(2000)})
    names = [f"a_column_with_a_long_name_{n}" for n in (0, 1999)]
    assert packed_columns(*_write(tmp_path / "t", wide, names)) == names


def test_files_that_cannot_be_read_pack_nothing(tmp_path: Path) -> None:
    """Whatever is wrong with them, the operation that asks finds out by itself."""
    location, table = _write(tmp_path / "t", pa.table({"a": pa.array(range(1000))}), ["a"])
    file = next(Path(path) for path in (tmp_path / "t").glob("*.parquet") if path.name in str(table.file_uris()))

    def footer(data: bytes) -> bytes:
        return b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1"

    nonsense = b"\xf9" * 300 + (292).to_bytes(4, "little") + b"PAR1"
    # A number without end, lists of lists of what takes no bytes, and a map with as many of it as fit into a number.
    endless = footer(b"\x15" + b"\xff" * 1_000_000)
    lists = footer(b"\x19\xf9" + b"\xff\xff\x03" + (b"\xfd" + b"\xff\xff\x03") * 60_000)
    entries = footer(b"\x1b" + b"\xff" * 9 + b"\x01\xdd")
    for broken in (b"", b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1", nonsense, endless, lists, entries):
        file.write_bytes(broken)
        assert packed_columns(location, table) == []
    file.unlink()
    assert packed_columns(location, table) == []
