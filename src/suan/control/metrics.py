"""What the loop counts of itself, as plain numbers; the API gives them their outward form."""

from dataclasses import dataclass, field

from suan.model.live import LiveMetrics


@dataclass(slots=True)
class Timing:
    """A sum and a count, from which a rate and a mean follow. Times are in microseconds."""

    count: int = 0
    total_us: int = 0
    last_us: int = 0
    max_us: int = 0

    def add(self, us: int) -> None:
        """Take one more measurement."""
        self.count += 1
        self.total_us += us
        self.last_us = us
        self.max_us = max(self.max_us, us)


@dataclass(slots=True)
class ControlMetrics:
    """Counters since this process started. Gauges are what holds now; 0 where not leading."""

    cycles: int = 0
    terms: int = 0
    jobs_taken: int = 0
    decisions: dict[str, int] = field(default_factory=dict)  # by kind: "place", "finish", …
    pool_failures: dict[str, int] = field(default_factory=dict)  # by pool
    pool_moved: dict[str, int] = field(default_factory=dict)  # runs, by the pool they left
    pool_doubts: dict[tuple[str, str], int] = field(default_factory=dict)  # by pool and doubt
    orphans: int = 0
    store_retries: int = 0
    cycle: Timing = field(default_factory=Timing)  # gather to recorded
    apply: Timing = field(default_factory=Timing)
    decide: Timing = field(default_factory=Timing)
    record: Timing = field(default_factory=Timing)
    launch: Timing = field(default_factory=Timing)  # recorded to launched
    pending: int = 0
    running: int = 0

    def decided(self, kind: str) -> None:
        """Count a decision."""
        self.decisions[kind] = self.decisions.get(kind, 0) + 1

    def pool_failed(self, pool: str) -> None:
        """Count a pool's fault."""
        self.pool_failures[pool] = self.pool_failures.get(pool, 0) + 1

    def moved_on(self, pool: str) -> None:
        """Count a run that its pool had not heard of when it was lost."""
        self.pool_moved[pool] = self.pool_moved.get(pool, 0) + 1

    def doubted(self, pool: str, doubt: str) -> None:
        """Count what a pool said and what cannot be true."""
        self.pool_doubts[pool, doubt] = self.pool_doubts.get((pool, doubt), 0) + 1

    def told(self) -> LiveMetrics:
        """A copy of the counters, as the API tells them."""
        steps = ("cycle", "apply", "decide", "record", "launch")
        timings: dict[str, Timing] = {step: getattr(self, step) for step in steps}
        return LiveMetrics(
            decisions=dict(self.decisions),
            pool_failures=dict(self.pool_failures),
            pool_moved=dict(self.pool_moved),
            pool_doubts=dict(self.pool_doubts),
            timings={step: (each.count, each.total_us) for step, each in timings.items()},
            store_retries=self.store_retries,
            orphans=self.orphans,
        )
