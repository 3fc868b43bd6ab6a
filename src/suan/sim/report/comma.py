"""Results as CSV files: UTF-8, a line of headings, an empty cell for what there is not."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

from suan.sim.report.files import Streamed, telling, whole
from suan.sim.report.tables import JOB_COLUMNS, Table, job_row, tables
from suan.sim.results import Ended, Result

if TYPE_CHECKING:
    import _csv


def write_csv(results: Sequence[Result], folder: Path) -> tuple[Path, ...]:
    """Write ``summary.csv``, one file for each way to group jobs, and ``series.csv``.

    Gives their paths. ``InputError`` where they cannot be written.
    """
    return tuple(_write(table, folder / f"{table.name}.csv") for table in tables(results))


class CsvRows(Streamed):
    """Streams a row for each job that ended. A context manager: the file appears when it closes.

    If the simulation fails, no file is left, and an older one of that name stays.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file: IO[str] | None = None

    def _open(self, part: Path, stack: ExitStack) -> None:
        self._file = stack.enter_context(part.open("w", encoding="utf-8", newline=""))
        _writer(self._file).writerow([name for name, _ in JOB_COLUMNS])

    def write(self, jobs: Sequence[Ended]) -> None:
        """Write one row for each job, in this order."""
        assert self._file is not None, "open it with: with CsvRows(path) as rows"
        with telling(self._path):
            _writer(self._file).writerows(map(job_row, jobs))


def _write(table: Table, path: Path) -> Path:
    with whole(path) as part, telling(path), part.open("w", encoding="utf-8", newline="") as file:
        writer = _writer(file)
        writer.writerow([name for name, _ in table.columns])
        writer.writerows(table.rows)
    return path


def _writer(file: IO[str]) -> "_csv.Writer":
    return csv.writer(file, lineterminator="\n")
