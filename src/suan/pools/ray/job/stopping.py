"""Hearing that a job is to end: Ray's own stop is the bell, a letter says how."""

from __future__ import annotations

import signal
import time
from typing import Any

from suan.pools.ray.job.letters import Letters

_ASK_AGAIN_S = 0.2


class Bell:
    """Rings when Ray sends SIGTERM, as its stop does; then says what is asked, again and again."""

    def __init__(self, spec: dict[str, Any], letters: Letters) -> None:
        self._name = str(spec["orders"])
        self._grace_s = float(spec["grace_s"])
        self._letters = letters
        self._rung = False
        self._looked_at = 0.0
        self._ordered = False
        self.by_ray = False  # whether it was stopped there, by somebody else than suan
        self.listen()

    def listen(self) -> None:
        """Hear the bell; again after whatever takes the signals for itself."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ring)

    def _ring(self, *_: object) -> None:
        self._rung = True

    def order(self) -> dict[str, Any] | None:
        """``{"signal": NAME, "grace_s": SECONDS}`` if there is a new one."""
        now = time.monotonic()
        if not self._rung or now < self._looked_at + _ASK_AGAIN_S:
            return None
        first = self._looked_at == 0.0
        self._looked_at = now
        try:
            order = self._letters.order(self._name)
        except Exception:  # noqa: BLE001 - whatever Ray raises: it must end all the same
            order = None
        if order is not None:
            self._ordered = True
        elif first:
            self.by_ray = True
            order = {"signal": "SIGTERM", "grace_s": self._grace_s}
        return order
