"""The ``#SBATCH`` lines of a script: which Slurm heeds, and what they give."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from suan.jobfile.fields import Effect, Reading
from suan.jobfile.problems import Spot
from suan.jobfile.slurm.options import BY_LONG, BY_SHORT, SbatchOption

MAX_LINE = 8192
_DIRECTIVE = re.compile(r"#SBATCH(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Given:
    """An option's value and where it stands."""

    value: Any
    spot: Spot


@dataclass(frozen=True, slots=True)
class Options:
    """What a script's lines give, by the options' long names."""

    given: dict[str, Given]

    def value(self, name: str, default: Any) -> Any:
        """An option's value, or ``default`` where it is not given."""
        return self.given[name].value if name in self.given else default

    def spot(self, name: str) -> Spot:
        """Where an option stands; the first line where it is not given."""
        return self.given[name].spot if name in self.given else Spot(1, 1)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    words: list[str]

    def spot(self, word: str) -> Spot:
        return Spot(self.number, len("#SBATCH ") + 1, word)


def read_options(text: str, reading: Reading) -> Options:
    """Every option that Slurm would heed; the problems of the others go to ``reading``."""
    lines = _directives(text, reading)
    return Options(dict(found for line in lines for found in _given(line, reading)))


def _directives(text: str, reading: Reading) -> Iterator[_Line]:
    """Each ``#SBATCH`` line that Slurm would heed."""
    ended = False
    for number, line in enumerate(text.split("\n"), start=1):
        if not _DIRECTIVE.match(line):
            ended = ended or bool(line.strip() and not line.startswith("#"))
        elif ended:
            message = "comes after the first command, where Slurm ignores it; ignored"
            reading.problems.warn(Spot(number, 1, "#SBATCH"), message, mend="move it up")
        elif len(line) > MAX_LINE:
            message = f"the line is longer than {MAX_LINE} characters"
            reading.problems.error(Spot(number, 1, "#SBATCH"), message, mend="write several lines")
        else:
            try:
                yield _Line(number, shlex.split(line[7:], comments=True))
            except ValueError as error:
                spot = Spot(number, 1, "#SBATCH")
                reading.problems.error(spot, str(error).lower(), mend="close the quotes")


def _given(line: _Line, reading: Reading) -> Iterator[tuple[str, Given]]:
    """A line's options by their long names; a later one wins, as in Slurm."""
    rest = iter(line.words)
    for word in rest:
        option, text = _split(word)
        as_written = line.spot(word.partition("=")[0])
        if option is None:
            reading.problems.unknown(as_written, "option", BY_LONG, dashes="--")
            continue
        if text is None and option.takes_value:
            text = next(rest, None)
            if text is None:
                mend = f"write --{option.long}=VALUE"
                reading.problems.error(as_written, "has no value", mend=mend)
                continue
        given = _read_option(reading, option, Given(text or "", line.spot(f"--{option.long}")))
        if given is not None:
            yield option.long, given


def _split(word: str) -> tuple[SbatchOption | None, str | None]:
    """The option that a word names, and the value in the same word if there is one."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return BY_LONG.get(name), value if equals else None
    if word.startswith("-") and len(word) > 1:
        return BY_SHORT.get(word[1]), word[2:].removeprefix("=") or None
    return None, None


def _read_option(reading: Reading, option: SbatchOption, given: Given) -> Given | None:
    """What an option makes of its text; ``None`` where that is nothing or wrong."""
    if option.effect is Effect.IGNORED:
        reading.problems.warn(given.spot, "accepted, but has no effect in suan")
        return None
    if option.effect is Effect.RECORDED:
        reading.problems.warn(given.spot, "kept as a label, but decides nothing in suan")
    try:
        return Given(option.read(given.value), given.spot)
    except ValueError as error:
        message, _, mend = str(error).partition("; ")
        reading.problems.error(given.spot, message, mend=mend)
        return None
