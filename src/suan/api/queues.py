"""The queues that there are, as far as a submission needs to know them."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from suan.api.recorded import recorded
from suan.model.errors import InputError
from suan.model.quota import Quota
from suan.model.store import Store

DEFAULT = "default"
FRESH_S = 1.0


class Queue(NamedTuple):
    """A queue as it was set; an empty ``discipline`` is the policy's own."""

    weight: int = 1
    discipline: str = ""
    open: bool = True
    quota: Quota = Quota()


_NEVER_SET = Queue()


class QueueBook:
    """Reads the queues at most once a second, and once more before it refuses one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Queue] = {DEFAULT: _NEVER_SET}
        self._until = 0.0

    async def all(self, *, fresh: bool = False) -> Mapping[str, Queue]:
        """Every queue by name; ``default`` always is one."""
        if fresh or time.monotonic() >= self._until:
            found = await self._store.queues()
            quotas = await self._store.quotas()
            kept = {name: Queue(*each, quotas.get(name, Quota())) for name, each in found.items()}
            self._known = {DEFAULT: _NEVER_SET, **kept}
            self._until = time.monotonic() + FRESH_S
        return self._known

    async def check(self, names: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Check that queues exist; returns warnings about closed ones.

        Args:
            names: (queue, where it is named), each queue once.

        Raises:
            InputError: there is no such queue.
        """
        known = await self.all()
        warnings = []
        for name, where in names:
            if name not in known:
                known = await self.all(fresh=True)
            if name not in known:
                raise InputError(
                    f"there is no queue {name!r}; there are {', '.join(sorted(known)[:20])}",
                    where=where,
                    mend=f"make it first: PUT /v1/queues/{name[:64]} (an operator may)",
                )
            if not known[name].open:
                warnings.append(f"queue {name!r} is closed: the job waits until it is opened")
        return tuple(warnings)

    async def wait_for(self, name: str, done: Callable[[Queue], bool], timeout_s: float) -> bool:
        """Wait until the leader has recorded a queue as asked for."""

        async def as_asked() -> bool:
            queue = (await self.all(fresh=True)).get(name)
            return queue is not None and done(queue)

        return await recorded(as_asked, timeout_s)
