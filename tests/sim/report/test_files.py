"""Tables and rows in files: read back as they were, whole or not at all."""

import csv
import importlib
import math
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.errors import InputError
from suan.sim.report import CsvRows, ParquetRows, write_csv, write_parquet, write_text
from suan.sim.report.tables import JOB_COLUMNS, tables
from suan.sim.results import Ended, Result
from tests.sim.results.drawing import ended, jobs

NAMES = ["summary", "sizes", "priorities", "pools", "tenants", "series"]
ROWS: list[Callable[[Path], Any]] = [CsvRows, ParquetRows]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def arrow(path: Path) -> list[dict[str, object]]:
    table = importlib.import_module("pyarrow.parquet").read_table(str(path))
    return table.to_pylist()


def test_csv_tables_read_back_exactly(results: tuple[Result, ...], tmp_path: Path) -> None:
    paths = write_csv(results, tmp_path / "deep" / "er")
    assert [path.stem for path in paths] == NAMES
    for table, path in zip(tables(results), paths, strict=True):
        found = rows_of(path)
        assert list(found[0]) == [name for name, _ in table.columns]
        assert len(found) == len(table.rows)
        for row, told in zip(table.rows, found, strict=True):
            for value, (name, kind) in zip(row, table.columns, strict=True):
                read = told[name] if kind == "text" else float(told[name])
                assert read == value
    summary = rows_of(paths[0])
    assert float(summary[1]["wait_mean_s"]) == results[1].overall.mean_wait / 10**6


def test_parquet_tables_read_back_exactly(results: tuple[Result, ...], tmp_path: Path) -> None:
    paths = write_parquet(results, tmp_path)
    assert [path.stem for path in paths] == NAMES
    for table, path in zip(tables(results), paths, strict=True):
        names = [name for name, _ in table.columns]
        assert arrow(path) == [dict(zip(names, row, strict=True)) for row in table.rows]


def test_the_series_comes_to_the_whole(results: tuple[Result, ...], tmp_path: Path) -> None:
    series = rows_of(write_csv(results[:1], tmp_path)[-1])
    waited = sum(float(row["pending_mean"]) * float(row["span_s"]) for row in series)
    exact = results[0].overall.wait.total / 10**6  # nobody waits but in line
    assert math.isclose(waited, exact, rel_tol=1e-9)


@settings(deadline=None)  # pyarrow takes seconds to load
@given(st.lists(jobs, max_size=3))
def test_rows_are_streamed_and_read_back(batches: list[list[Ended]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text, columns = Path(folder) / "rows.csv", Path(folder) / "rows.parquet"
        with CsvRows(text) as first, ParquetRows(columns) as second:
            for batch in batches:
                first.write(batch)
                second.write(batch)
        names = [name for name, _ in JOB_COLUMNS]
        told = [
            dict(zip(names, (*job, job.waiting), strict=True)) for each in batches for job in each
        ]
        assert arrow(columns) == told
        assert rows_of(text) == [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in told
        ]


@pytest.mark.parametrize("rows", ROWS)
def test_a_simulation_that_fails_leaves_no_file_and_keeps_the_old_one(
    rows: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / "jobs"
    path.write_text("old")

    def simulate() -> None:
        with rows(path) as opened:
            opened.write([ended()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        simulate()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["jobs"]


@pytest.mark.parametrize("rows", ROWS)
def test_a_fault_of_something_else_is_not_blamed_on_the_file(
    rows: Callable[[Path], Any], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError), rows(tmp_path / "jobs"):
        (tmp_path / "trace.swf").read_text()


@pytest.mark.parametrize("rows", ROWS)
def test_a_full_disk_is_a_clear_error(rows: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    (tmp_path / f".jobs.{os.getpid()}.part").symlink_to("/dev/full")
    many = [ended(at) for at in range(40_000)]
    with pytest.raises(InputError, match="no space left on device") as error, rows(path) as opened:
        opened.write(many)
    assert error.value.where == str(path)
    assert "free some space" in error.value.mend
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_of_tables_and_pages_too(
    results: tuple[Result, ...], tmp_path: Path
) -> None:
    for name in ("summary.csv", "summary.parquet", "page.html"):
        (tmp_path / f".{name}.{os.getpid()}.part").symlink_to("/dev/full")
    for write in (
        lambda: write_csv(results, tmp_path),
        lambda: write_parquet(results, tmp_path),
        lambda: write_text(tmp_path / "page.html", "x"),
    ):
        with pytest.raises(InputError, match="no space left"):
            write()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"report\.html cannot be written") as error:
        write_text(tmp_path / "file" / "report.html", "x")
    assert error.value.mend == "a part of the path is a file; name a folder"


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_text(tmp_path / "报告.html", "算力\n")
    assert (tmp_path / "报告.html").read_bytes() == "算力\n".encode()


def test_without_pyarrow_the_error_says_how_to_get_it(
    results: tuple[Result, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for write in (
        lambda: write_parquet(results, tmp_path),
        lambda: ParquetRows(tmp_path / "jobs.parquet"),
    ):
        with pytest.raises(InputError) as error:
            write()
        assert "suan[parquet]" in error.value.mend
    assert not list(tmp_path.iterdir())
