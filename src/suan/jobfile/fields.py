"""The form of a job file's fields: what a table of them says, and how a section is read by it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from suan.jobfile.document import At, fields_of
from suan.jobfile.problems import FieldError, Problems, Spot
from suan.model.units import Instant


class Effect(StrEnum):
    """What a field does today; ``docs/reference/job-file.md`` shows it beside each."""

    ACTS = "acts"
    RECORDED = "recorded"  # kept with the job and shown; decides nothing yet
    IGNORED = "ignored"  # accepted so that others' files run; a warning says that it does nothing


@dataclass(frozen=True, slots=True)
class Reading:
    """What readers may look at besides the file.

    ``environ`` supplies the values of ``envs`` and ``secrets`` left null; ``base_dir`` is what
    relative paths start from (``None``: not on the submitting machine, so they are refused).
    """

    problems: Problems
    environ: Mapping[str, str] | None = None
    base_dir: str | None = None
    now: Instant | None = None

    def path(self, text: str) -> str:
        """An absolute path; ``~`` is the submitter's home.

        Raises:
            FieldError: it is relative and there is nothing to start from.
        """
        if self.base_dir is not None:
            return _absolute(self.base_dir, text)
        if text.startswith("/"):
            return text
        raise FieldError(
            f"the path {text!r} is relative, and the server does not know to what",
            mend="write it from /, or submit the file with the suan command",
        )


def _absolute(base_dir: str, text: str) -> str:
    try:
        return os.path.normpath(Path(base_dir, Path(text).expanduser()))
    except RuntimeError:
        raise FieldError(f"{text!r}: no such user's home", mend="write the path in full") from None


T = TypeVar("T")
Reader = Callable[[Reading, At], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table of fields. ``note`` ends the warning of one that does not act."""

    name: str
    read: Reader
    takes: str  # the value's form, for the reference
    doc: str
    effect: Effect = Effect.ACTS
    note: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)


Table = Mapping[str, Field]


def table(*rows: Field) -> Table:
    """Fields by name, in the order of the reference."""
    return {row.name: row for row in rows}


def ignored(name: str, takes: str, doc: str, *, note: str = "") -> Field:
    """A field that is accepted and does nothing."""
    return Field(name, lambda _reading, _at: None, takes, doc, Effect.IGNORED, note)


def read_section(reading: Reading, at: At, known: Table) -> dict[str, Any]:
    """The values of a mapping's known fields, by name; null counts as left out.

    Every wrong field goes into ``reading.problems`` and is left out, so that one reading finds
    them all.

    Raises:
        FieldError: there is no mapping here.
    """
    if not at.is_mapping:
        raise FieldError(
            f"must be a mapping of fields, not {at.kind}", mend="write name: value lines"
        )
    values: dict[str, Any] = {}
    for name, (value, spot) in fields_of(at, reading.problems).items():
        row = known.get(name)
        if row is None:
            reading.problems.unknown(spot, "field", known)
        elif not value.is_null:
            _warn_effect(reading, spot, row)
            if row.effect is not Effect.IGNORED:
                values |= _read_field(reading, value, row)
    return values


def _read_field(reading: Reading, at: At, row: Field) -> dict[str, Any]:
    try:
        return {row.name: read_item(reading, at, row.read)}
    except FieldError as error:
        reading.problems.error(error.spot or at.spot, error.message, mend=error.mend)
        return {}


def read_item(reading: Reading, at: At, read: Callable[[Reading, At], T]) -> T:
    """What ``read`` makes of a node.

    Raises:
        FieldError: it is wrong, with the node's spot if not a more exact one.
    """
    try:
        return read(reading, at)
    except FieldError as error:
        raise FieldError(error.message, mend=error.mend, spot=error.spot or at.spot) from None
    except ValueError as error:  # quantities say what is wrong in one sentence
        message, _, mend = str(error).partition("; ")
        raise FieldError(message, mend=mend, spot=at.spot) from None


def _warn_effect(reading: Reading, spot: Spot, row: Field) -> None:
    if row.effect is Effect.RECORDED:
        message = "recorded with the job, but decides nothing yet"
        reading.problems.warn(spot, message, mend=row.note)
    elif row.effect is Effect.IGNORED:
        reading.problems.warn(spot, "accepted, but has no effect in suan", mend=row.note)
