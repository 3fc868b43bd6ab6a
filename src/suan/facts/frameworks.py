"""AI frameworks: their names, and how each is launched on several nodes."""

from dataclasses import dataclass
from functools import cache

from suan.facts.reading import names, read


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework. ``source`` says whether the launch was tried or only read about."""

    name: str
    aliases: tuple[str, ...]
    launch: str
    traps: str
    source: str


@cache
def frameworks() -> tuple[Framework, ...]:
    """Every framework of the table, in its order."""
    return tuple(
        Framework(
            name=row["framework"],
            aliases=names(row["aliases"]),
            launch=row["launch"],
            traps=row["traps"],
            source=row["source"],
        )
        for row in read("frameworks")
    )


def framework(name: str) -> Framework | None:
    """A framework by its name or an alias, in any case."""
    wanted = name.strip().casefold()
    for each in frameworks():
        if wanted in (each.name, *each.aliases):
            return each
    return None


def canonical(name: str) -> str:
    """The table's spelling; a framework that is not in it is lower-cased and kept."""
    found = framework(name)
    return found.name if found else name.strip().casefold()
