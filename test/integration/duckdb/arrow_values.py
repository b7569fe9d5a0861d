"""Arrow arrays as Python values that compare across the types of Arrow and of DuckDB, exact where to_pylist is not."""

import struct
import pyarrow as pa

_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# How read_tables selects DuckDB's intervals: its own Arrow export multiplies microseconds beyond 64 bits.
INTERVAL_PARTS = ["interval_months", "interval_days", "interval_micros"]
_INTERVAL_MONTHS, _INTERVAL_DAY_TIME = 21, 22


def _column_values(table, field):
    if field.type.id in (_INTERVAL_MONTHS, _INTERVAL_DAY_TIME):
        batches = table.select([field.name]).to_batches()
        return [value for batch in batches for value in _short_intervals(batch, field.type)]
    return [value for chunk in table.column(field.name).chunks for value in array_values(chunk)]


def array_values(array):
    kind = array.type
    if len(array) == 0:
        return []
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name in ("arrow.uuid", "arrow.bool8"):
            return [None if v is None else str(v) if kind.extension_name == "arrow.uuid" else bool(v) for v in array.to_pylist()]
        return array_values(array.storage)
    if pa.types.is_dictionary(kind):
        values, indices = array_values(array.dictionary), array.indices.to_pylist()
        return [None if index is None else values[index] for index in indices]
    if pa.types.is_run_end_encoded(kind):
        values, ends = array_values(array.values), array.run_ends.to_pylist()
        rows, run = [], 0
        for row in range(array.offset, array.offset + len(array)):
            while ends[run] <= row:
                run += 1
            rows.append(values[run])
        return rows
    if pa.types.is_union(kind):
        return _union_values(array)
    if pa.types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        columns = [array_values(child) for child in array.flatten()] if names else []
        valid = array.is_valid().to_pylist()
        if names == INTERVAL_PARTS:
            return [("interval", m, d, us * 1000) if ok else None for m, d, us, ok in zip(*columns, valid)]
        return [
            tuple((name, column[row]) for name, column in zip(names, columns)) if valid[row] else None
            for row in range(len(array))
        ]
    if pa.types.is_nested(kind):
        return _list_values(array)
    return _leaf_values(array)


def _union_values(array):
    kind = array.type
    names = [kind.field(i).name for i in range(kind.num_fields)]
    positions = {code: position for position, code in enumerate(kind.type_codes)}
    children = [array_values(array.field(i)) for i in range(kind.num_fields)]
    codes = array.type_codes.to_pylist()
    offsets = array.offsets.to_pylist() if kind.mode == "dense" else range(len(array))
    pairs = [(names[positions[code]], children[positions[code]][offset]) for code, offset in zip(codes, offsets)]
    # DuckDB reads a null member as a null union; PyArrow's own values do not tell the two apart either.
    return [None if value is None else (name, value) for name, value in pairs]


def _list_values(array):
    rows = []
    for row in range(len(array)):
        scalar = array[row]
        if not scalar.is_valid:
            rows.append(None)
        elif pa.types.is_map(array.type):
            entries = scalar.values
            rows.append(list(zip(array_values(entries.field(0)), array_values(entries.field(1)))))
        else:
            rows.append(array_values(scalar.values))
    return rows


def _leaf_values(array):
    kind = array.type
    if pa.types.is_interval(kind):
        return [None if v is None else ("interval", v.months, v.days, v.nanoseconds) for v in array.to_pylist()]
    if pa.types.is_duration(kind):
        return [None if v is None else ("interval", 0, 0, v * _NANOS[kind.unit]) for v in array.view(pa.int64()).to_pylist()]
    if pa.types.is_timestamp(kind):
        name = "timestamp" if kind.tz is None else "instant"
        return [None if v is None else (name, v * _NANOS[kind.unit]) for v in array.view(pa.int64()).to_pylist()]
    if pa.types.is_time(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return [None if v is None else ("time", v * _NANOS[kind.unit]) for v in array.view(width).to_pylist()]
    if pa.types.is_date32(kind):
        return [None if v is None else ("date", v * 86_400_000) for v in array.view(pa.int32()).to_pylist()]
    if pa.types.is_date64(kind):
        return [None if v is None else ("date", v) for v in array.view(pa.int64()).to_pylist()]
    if pa.types.is_floating(kind):
        return [None if v is None else repr(float(v)) for v in array.to_pylist()]
    return array.to_pylist()


def _short_intervals(batch, kind):
    """Of a batch's one column: PyArrow has no Python class for these arrays, but shows the buffers of a struct."""
    _, validity, data = batch.to_struct_array().buffers()
    rows = []
    for row in range(batch.num_rows):
        if validity is not None and not validity[row >> 3] >> (row & 7) & 1:
            rows.append(None)
        elif kind.id == _INTERVAL_MONTHS:
            rows.append(("interval", *struct.unpack_from("<i", data, row * 4), 0, 0))
        else:
            days, millis = struct.unpack_from("<ii", data, row * 8)
            rows.append(("interval", 0, days, millis * 1_000_000))
    return rows


def differences(expected, found):
    """What differs between two tables, in words; an empty list where nothing does."""
    if expected.num_rows != found.num_rows:
        return [f"{found.num_rows} rows instead of {expected.num_rows}"]
    if expected.column_names != found.column_names:
        return [f"columns {found.column_names} instead of {expected.column_names}"]
    return [fault for field in expected.schema if (fault := _column_difference(expected, found, field))]


def _column_difference(expected, found, field):
    if expected.num_rows > 10_000 and _same_by_cast(expected.column(field.name), found.column(field.name)):
        return None
    wanted, got = _column_values(expected, field), _column_values(found, found.schema.field(field.name))
    row = next((row for row, pair in enumerate(zip(wanted, got)) if pair[0] != pair[1]), None)
    if row is None:
        return None
    types = f"{field.type} as {found.schema.field(field.name).type}"
    return f"{field.name} ({types}) row {row}: {wanted[row]!r} became {got[row]!r}"


def _same_by_cast(wanted, got):
    """Much faster than Python values, for types between which a cast loses nothing."""
    try:
        if pa.types.is_dictionary(wanted.type):
            wanted = wanted.cast(wanted.type.value_type)
        return wanted.cast(got.type).combine_chunks().equals(got.combine_chunks())
    except pa.ArrowException:
        return False
