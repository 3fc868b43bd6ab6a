"""When nodes fail and come back: exponential times, drawn for each node by itself.

A node's times depend on the seed and its name alone, so every policy meets the same failures.
"""

from random import Random

from suan.model.units import Duration, NodeName, PoolName
from suan.sim.settings import Settings


class Failures:
    """The times of every node."""

    def __init__(self, settings: Settings) -> None:
        assert settings.mtbf is not None
        self._mtbf = settings.mtbf
        self._mttr = settings.mttr
        self._seed = settings.seed
        self._of: dict[tuple[PoolName, NodeName], Random] = {}

    def lasts(self, pool: PoolName, node: NodeName) -> Duration:
        """How long the node stays up this time; at least a microsecond."""
        return self._draw(pool, node, self._mtbf)

    def heals(self, pool: PoolName, node: NodeName) -> Duration:
        """How long it stays away."""
        return self._draw(pool, node, self._mttr)

    def _draw(self, pool: PoolName, node: NodeName, mean: Duration) -> Duration:
        random = self._of.get((pool, node))
        if random is None:
            random = self._of[pool, node] = Random(f"{self._seed}/{pool}/{node}")  # noqa: S311 # no secret
        return max(1, round(random.expovariate(1.0) * mean))
