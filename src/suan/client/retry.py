"""When a call that failed is made again, and after how long. No I/O: the clients do the waiting."""

from collections.abc import Iterator
from typing import Any

from suan.client.errors import ServerError, ServerUnreachable
from suan.client.wire import Call
from suan.model.errors import SuanError

PAUSES_S = (0.1, 0.4)  # before the second and the third attempt
LONGEST_PAUSE_S = 5.0
FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 1.0
HELD_S = 5.0
_PASSING = frozenset({"store_unavailable", "pool_unavailable", "not_leader", "lease_lost"})


def pause(call: Call[Any], error: SuanError, attempt: int) -> float | None:
    """Seconds to wait before making ``call`` again after its ``attempt``-th failure, from 0.

    ``None`` means that the error stands: the call is not repeatable, the error will not pass, or
    nobody listens (whoever wants to outwait a restart has patience of its own).
    """
    if not call.repeatable or attempt >= len(PAUSES_S):
        return None
    if isinstance(error, ServerUnreachable):
        return None if error.refused else PAUSES_S[attempt]
    if isinstance(error, ServerError) and error.code in _PASSING:
        return min(max(PAUSES_S[attempt], error.retry_after_s or 0.0), LONGEST_PAUSE_S)
    return None


class Patience:
    """How long one who waits for something outlasts a server that is away.

    Times are seconds of any steady clock; the caller reads it and does the waiting.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self.renew()

    def renew(self) -> None:
        """An answer came: the next failure starts from new."""
        self._opened_s: float | None = None
        self._until: float | None = None
        self._pauses = growing(FIRST_LOOK_S, LONGEST_LOOK_S)

    def opened(self, now_s: float) -> None:
        """A stream was opened. If it holds for a while it counts as an answer, though silent."""
        self._opened_s = now_s

    def pause(self, error: SuanError, now_s: float) -> float:
        """Seconds to wait before looking again.

        Raises:
            SuanError: ``error`` itself, where it will not pass or patience is out.
        """
        if self._opened_s is not None and now_s - self._opened_s > HELD_S:
            self.renew()
        if self._until is None:
            self._until = now_s + self._patience_s
        pause_s = next(self._pauses)
        if not _passing(error) or now_s + pause_s > self._until:
            raise error
        return pause_s


def _passing(error: SuanError) -> bool:
    return isinstance(error, ServerUnreachable) or (
        isinstance(error, ServerError) and error.code in _PASSING
    )


def growing(first_s: float, longest_s: float) -> Iterator[float]:
    """Pauses between looks: short at first, then longer, for ever."""
    pause_s = first_s
    while True:
        yield pause_s
        pause_s = min(pause_s * 1.5, longest_s)
