"""What is wrong with a job file, and what its author should know, each with line and column."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from suan.model.errors import InputError

MAX_REPORTED = 20
MAX_KEPT = 1000  # of each kind; a file with more is refused there, or warned of no more
MAX_SUGGESTED = 100  # a suggestion compares a name with all known ones


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file, lines and columns from 1, and the field that stands there."""

    line: int
    column: int
    field: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend or to know. ``where`` is ``file:line:column``; ``field`` a dotted path."""

    message: str
    where: str = ""
    field: str = ""
    mend: str = ""

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        mend = f" ({self.mend})" if self.mend else ""
        return f"{self.where}: {field}{self.message}{mend}"


class JobFileError(InputError):
    """A job file that cannot be accepted, with every problem found in it.

    Errors come in file order, then likely slips in names.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first, *others = problems
        field = f"{first.field}: " if first.field else ""
        shown = [f"  {problem}" for problem in others[:MAX_REPORTED]]
        if len(others) > MAX_REPORTED:
            shown.append(f"  … and {len(others) - MAX_REPORTED} more")
        more = [f"and {len(others)} more problem{'s'[: len(others) != 1]}:", *shown]
        message = "\n".join([field + first.message, *(more if others else [])])
        super().__init__(message, where=first.where, mend=first.mend)
        self.problems = problems


class FieldError(Exception):
    """One field's value is wrong. ``spot`` is given where it is not the field's own place."""

    def __init__(self, message: str, *, mend: str = "", spot: Spot | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.spot = spot


class Problems:
    """Collects a file's errors and warnings."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._errors: list[tuple[Spot, Problem]] = []
        self._warnings: list[tuple[Spot, Problem]] = []
        self._slips: list[tuple[Spot, Problem]] = []

    def error(self, spot: Spot, message: str, *, mend: str = "") -> None:
        self._errors.append((spot, self._problem(spot, message, mend)))
        if len(self._errors) >= MAX_KEPT:
            self.raise_errors()

    def warn(self, spot: Spot, message: str, *, mend: str = "") -> None:
        if len(self._warnings) < MAX_KEPT:
            self._warnings.append((spot, self._problem(spot, message, mend)))

    def unknown(self, spot: Spot, what: str, known: Iterable[str], *, dashes: str = "") -> None:
        """Warn of a name that is not known, with the one it may be a slip for.

        Such a slip is told with the errors too, as it may be what caused them.
        """
        few = len(self._warnings) < MAX_SUGGESTED
        close = nearest(spot.field.rpartition(".")[2], known) if few else None
        mend = f"did you mean {dashes}{close}?" if close else "remove it, or check its spelling"
        self.warn(spot, f"unknown {what}, ignored", mend=mend)
        if close:
            self._slips.append(self._warnings[-1])

    def _problem(self, spot: Spot, message: str, mend: str) -> Problem:
        where = f"{self._filename}:{spot.line}:{spot.column}"
        return Problem(message, where=where, field=spot.field, mend=mend)

    def raise_errors(self) -> None:
        """Raises:
        JobFileError: at least one error was collected.
        """
        if self._errors:
            raise JobFileError(_in_order(self._errors) + _in_order(self._slips))

    def warnings(self) -> tuple[Problem, ...]:
        return _in_order(self._warnings)


def _in_order(found: list[tuple[Spot, Problem]]) -> tuple[Problem, ...]:
    ordered = sorted(found, key=lambda pair: (pair[0].line, pair[0].column))
    return tuple(problem for _, problem in ordered)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is most likely a slip for, or ``None``."""
    by_lower = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    wanted = name.lower().lstrip("-").replace("-", "_")
    close = get_close_matches(wanted, list(by_lower), n=1, cutoff=0.75)
    return by_lower[close[0]] if close else None
