"""What is wrong right now, by where it is wrong, so that one place's relief hides no other's."""

import logging
from collections.abc import Callable
from typing import TypeAlias

log = logging.getLogger(__name__)

OnTrouble: TypeAlias = Callable[[str, str], None]  # where, and what; empty when it is over


class Troubles:
    """The live loop's open troubles. Each is logged when it begins and when it is over."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def note(self, where: str, what: str) -> None:
        """Something is wrong, or with an empty ``what`` is no longer."""
        before = self._open.get(where, "")
        if what and what != before:
            self._open[where] = what
            log.error("%s: %s", where, what)
        elif before and not what:
            del self._open[where]
            log.info("%s: all is well again", where)

    def forget_all(self) -> None:
        """A term is over, and its troubles with it."""
        self._open.clear()

    @property
    def told(self) -> str:
        """All of them in one line; empty when all is well."""
        return "; ".join(self._open.values())
