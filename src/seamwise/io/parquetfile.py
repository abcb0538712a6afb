"""Tables in Parquet files, through pyarrow, which is an extra: `write_parquet`."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamwise.io.atomic import atomic_path


def check_parquet(path: Path) -> None:
    """Raise ValueError if pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise ValueError(
            f"cannot write {path}: pyarrow is not installed; "
            "pip install 'seamwise[parquet]', or choose a name ending in .csv"
        )


def write_parquet(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns as a Parquet file, whole or not at all.

    Parameters
    ----------
    path : Path
    columns : mapping of str to (n,) array
        Numbers, booleans, or texts as objects. NaN and what is masked are null.

    Raises
    ------
    ValueError
        pyarrow is not installed.
    OSError
        The file cannot be written.
    """
    check_parquet(path)
    import pyarrow
    from pyarrow import parquet

    arrays = {
        name: pyarrow.array(np.ma.getdata(column), mask=_empty(column))
        for name, column in columns.items()
    }
    with atomic_path(path) as temporary:
        parquet.write_table(pyarrow.table(arrays), str(temporary))


def _empty(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Which places of a column are null."""
    is_nan = column.dtype.kind == "f"
    return np.isnan(np.ma.getdata(column)) if is_nan else np.ma.getmaskarray(column)
