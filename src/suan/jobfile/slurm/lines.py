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


def read_options(text: str, reading: Reading) -> Options:
    """Every option that Slurm would heed; the problems of the others go to ``reading``."""
    found: dict[str, Given] = {}
    for line, column, words in _directives(text, reading):
        _read_words(reading, line, column, words, found)
    return Options(found)


def _directives(text: str, reading: Reading) -> Iterator[tuple[int, int, list[str]]]:
    """Line, column and words of each ``#SBATCH`` line that Slurm would heed."""
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
                yield number, len("#SBATCH ") + 1, shlex.split(line[7:], comments=True)
            except ValueError as error:
                spot = Spot(number, 1, "#SBATCH")
                reading.problems.error(spot, str(error).lower(), mend="close the quotes")


def _read_words(
    reading: Reading, line: int, column: int, words: list[str], found: dict[str, Given]
) -> None:
    """Read one line's options into ``options``; a later one wins, as in Slurm."""
    rest = iter(words)
    for word in rest:
        option, value = _split(word)
        spot = Spot(line, column, word.partition("=")[0])
        if option is None:
            reading.problems.unknown(spot, "option", BY_LONG, dashes="--")
            continue
        if value is None and option.takes_value:
            value = next(rest, None)
            if value is None:
                reading.problems.error(spot, "has no value", mend=f"write --{option.long}=VALUE")
                continue
        _read_option(reading, Spot(line, column, f"--{option.long}"), option, value or "", found)


def _split(word: str) -> tuple[SbatchOption | None, str | None]:
    """The option that a word names, and the value in the same word if there is one."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return BY_LONG.get(name), value if equals else None
    if word.startswith("-") and len(word) > 1:
        return BY_SHORT.get(word[1]), word[2:].removeprefix("=") or None
    return None, None


def _read_option(
    reading: Reading, spot: Spot, option: SbatchOption, text: str, found: dict[str, Given]
) -> None:
    if option.effect is Effect.IGNORED:
        reading.problems.warn(spot, "accepted, but has no effect in suan")
        return
    if option.effect is Effect.RECORDED:
        reading.problems.warn(spot, "kept as a label, but decides nothing in suan")
    try:
        found[option.long] = Given(option.read(text), spot)
    except ValueError as error:
        message, _, mend = str(error).partition("; ")
        reading.problems.error(spot, message, mend=mend)
