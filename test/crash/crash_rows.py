"""The rows of a load: every value follows from the load's number, so a comparison needs no record of what was sent."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SCHEMA = pa.schema(
    [
        ("load", pa.int64()),
        ("seq", pa.int64()),
        ("number", pa.float64()),
        ("label", pa.string()),
        ("flag", pa.bool_()),
    ]
)


def rows_of(load: int, count: int) -> pa.Table:
    """The whole load, in order."""
    seq = np.arange(count, dtype=np.int64)
    mixed = (seq * 2654435761 + load * 40503) % 2147483647
    label = pc.binary_join_element_wise(
        pa.array(mixed % 100_003).cast(pa.string()), pa.array(seq).cast(pa.string()), "-"
    )
    label = pc.if_else(pa.array(mixed % 7 == 0), pa.scalar(None, pa.string()), label)
    number = pa.array(mixed / 8.0, mask=mixed % 11 == 0)
    return pa.table(
        [np.full(count, load, dtype=np.int64), seq, number, label, pa.array(mixed % 2 == 0)], schema=SCHEMA
    )
