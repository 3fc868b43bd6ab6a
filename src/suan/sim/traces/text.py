"""A trace's lines, plain or compressed, and the small parsing that all readers share."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from suan.model.errors import InputError
from suan.model.units import SECOND, Duration
from suan.sim.traces.tally import Tally

_GZIP = b"\x1f\x8b"
_HEAD = 16_384
LONGEST: Duration = 10**18  # 31,700 years: a 64-bit column holds any sum of a few


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as text; gzip is told by its first bytes, whatever the name says.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
        if zipped:
            with gzip.open(path, "rt", encoding="utf-8-sig", errors="replace") as text:
                yield text
        else:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
                yield text
    except OSError as error:
        raise InputError(
            f"the trace cannot be read: {error.strerror or error}",
            where=str(path),
            mend="give a readable file, plain or gzip",
        ) from error


def lines(path: Path, tally: Tally) -> Iterator[str]:
    """Every line. A compressed file that breaks off ends there, and the tally says so."""
    number = 0
    with opened(path) as file:
        try:
            for line in file:
                number += 1
                yield line
        except (EOFError, zlib.error, gzip.BadGzipFile):
            tally.note("cut_short", number + 1)


def head(path: Path) -> str:
    """The beginning of the file, to tell its format by."""
    with opened(path) as file:
        try:
            return file.read(_HEAD)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return ""


class Table:
    """A CSV trace with a header: rows by line number, columns found by name.

    Raises:
        InputError: a needed column is not there; names both.
    """

    def __init__(self, path: Path, tally: Tally, *, delimiter: str = ",") -> None:
        self._path = path
        self._tally = tally
        self._reader = csv.reader(lines(path, tally), delimiter=delimiter)
        self.columns = [each.strip() for each in next(self._reader, [])]

    def column(self, *names: str) -> int:
        """Where the first of these columns stands."""
        at = self.find(*names)
        if at is None:
            raise InputError(
                f"the trace has no column {names[0]!r}; it has {', '.join(self.columns) or 'none'}",
                where=f"{self._path}:1",
                mend="give --format if this is another format, or mend the header",
            )
        return at

    def find(self, *names: str) -> int | None:
        """Where the first of these columns stands; ``None`` if none of them does."""
        lowered = [each.casefold() for each in self.columns]
        return next((lowered.index(n.casefold()) for n in names if n.casefold() in lowered), None)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and fields of every row that has all columns."""
        width, reader, note = len(self.columns), self._reader, self._tally.note
        try:
            for row in reader:
                if len(row) == width:
                    yield reader.line_num, row
                elif row:
                    note("columns", reader.line_num)
        except csv.Error as error:
            raise InputError(
                f"not CSV: {error}", where=f"{self._path}:{reader.line_num}", mend="mend that line"
            ) from error


def microseconds(text: str) -> Duration:
    """From seconds, whole or with a fraction.

    Raises:
        ValueError: it is no number, or beyond any time.
    """
    try:
        found = int(text) * SECOND
    except ValueError:
        return scaled(text, SECOND)
    if -LONGEST < found < LONGEST:
        return found
    raise ValueError(f"{text!r} is beyond any time")


def scaled(text: str, unit: Duration) -> Duration:
    """From a number of units.

    Raises:
        ValueError: it is no number, or beyond any time.
    """
    found = float(text) * unit
    if -LONGEST < found < LONGEST:
        return round(found)
    raise ValueError(f"{text!r} is beyond any time")  # not a number is neither


def starts_with(text: str, columns: Sequence[str], delimiter: str = ",") -> bool:
    """Whether a file's header has all of these columns."""
    first = text.split("\n", 1)[0].strip().casefold().split(delimiter)
    return all(each.casefold() in [name.strip() for name in first] for each in columns)
