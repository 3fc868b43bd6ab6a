"""Results as Parquet files. pyarrow is an optional extra, and loaded when it is needed."""

from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from suan.model.errors import InputError
from suan.sim.report.files import Streamed, telling, whole
from suan.sim.report.tables import JOB_COLUMNS, Column, Table, Value, job_row, tables
from suan.sim.results import Ended, Result


def write_parquet(results: Sequence[Result], folder: Path) -> tuple[Path, ...]:
    """Write the tables of ``write_csv`` as Parquet. Gives their paths.

    ``InputError`` where pyarrow is missing, or they cannot be written.
    """
    arrow = _arrow()
    return tuple(
        _write(arrow, table, folder / f"{table.name}.parquet") for table in tables(results)
    )


class ParquetRows(Streamed):
    """Streams a row for each job that ended. A context manager: the file appears when it closes.

    If the simulation fails, no file is left, and an older one of that name stays. ``InputError``
    at once where pyarrow is missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._arrow = _arrow()
        self._writer: Any = None

    def _open(self, part: Path, stack: ExitStack) -> None:
        schema = _schema(self._arrow, JOB_COLUMNS)
        writer = import_module("pyarrow.parquet").ParquetWriter(str(part), schema)
        self._writer = stack.enter_context(writer)

    def write(self, jobs: Sequence[Ended]) -> None:
        """Write one row for each job, in this order."""
        assert self._writer is not None, "open it with: with ParquetRows(path) as rows"
        rows = [job_row(job) for job in jobs]
        with telling(self._path):
            self._writer.write_table(_table(self._arrow, JOB_COLUMNS, rows))


def _write(arrow: Any, table: Table, path: Path) -> Path:
    with whole(path) as part, telling(path):
        import_module("pyarrow.parquet").write_table(
            _table(arrow, table.columns, table.rows), str(part)
        )
    return path


def _table(arrow: Any, columns: Sequence[Column], rows: Sequence[tuple[Value, ...]]) -> Any:
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    schema = _schema(arrow, columns)
    arrays = [
        arrow.array(column, type=field.type) for column, field in zip(values, schema, strict=True)
    ]
    return arrow.Table.from_arrays(arrays, schema=schema)


def _schema(arrow: Any, columns: Sequence[Column]) -> Any:
    types = {"text": arrow.string(), "integer": arrow.int64(), "number": arrow.float64()}
    return arrow.schema([(name, types[kind]) for name, kind in columns])


def _arrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise InputError(
            "Parquet files need pyarrow, which is not installed",
            mend="pip install 'suan[parquet]', or write CSV",
        ) from error
