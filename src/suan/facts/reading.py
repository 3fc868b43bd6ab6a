"""Reading the tables that ship inside the package."""

import csv
from pathlib import Path

TABLES = Path(__file__).parent / "tables"


def read(table: str) -> tuple[dict[str, str], ...]:
    """The rows of ``tables/<table>.csv``, by column name. Unknown values are empty strings."""
    with (TABLES / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


def number(text: str) -> float | None:
    """A figure, or ``None`` where the table leaves it empty."""
    return float(text) if text else None


def scaled(text: str, factor: int) -> int | None:
    """A figure as an integer of a unit ``factor`` times smaller, or ``None`` where it is empty."""
    return round(float(text) * factor) if text else None


def names(text: str) -> tuple[str, ...]:
    """A cell's list, written with ``;`` between its members."""
    return tuple(part for part in text.split(";") if part)
