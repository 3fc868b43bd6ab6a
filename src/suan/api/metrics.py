"""Prometheus metrics: the loop, the jobs, the pools, and the API itself.

Each is documented in ``docs/reference/metrics.md``; a test asserts it.
"""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from suan.model.job import JobState
from suan.model.live import LiveMetrics, LiveStatus, PoolStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HttpMetrics:
    """What the API measures of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "suan_http_request_seconds",
            "Seconds from a request to the start of its response",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=_BUCKETS,
        )

    def observe(self, method: str, route: str, status: int, *, seconds: float) -> None:
        """Count one request."""
        self._seconds.labels(method, route, str(status)).observe(seconds)

    def text(self) -> bytes:
        """The exposition of these metrics."""
        return generate_latest(self.registry)


class _Once(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def platform_text(
    status: LiveStatus,
    counted: LiveMetrics,
    *,
    jobs: Mapping[JobState, int],
    pools: Sequence[PoolStatus],
) -> bytes:
    """The exposition of the loop, the jobs and the pools as they are now."""
    registry = CollectorRegistry()
    registry.register(_Once([*_loop(status), *_counted(counted), _jobs(jobs), *_pools(pools)]))
    return generate_latest(registry)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _loop(status: LiveStatus) -> list[Metric]:
    return [
        _gauge("suan_leading", "1 if this server leads", float(status.leading)),
        _gauge("suan_cycles", "Cycles of the live loop in this process", status.cycles),
        _gauge(
            "suan_last_cycle_seconds", "Length of the last cycle", status.last_cycle_us / 1_000_000
        ),
        _gauge("suan_scheduler_pending_jobs", "Jobs that the scheduler holds", status.pending),
        _gauge("suan_scheduler_running_jobs", "Jobs that the scheduler sees run", status.running),
        _gauge("suan_trouble", "1 if the live loop is in trouble", float(bool(status.trouble))),
    ]


def _counted(counted: LiveMetrics) -> list[Metric]:
    decisions = CounterMetricFamily("suan_decisions", "Decisions recorded", labels=("kind",))
    for kind, count in sorted(counted.decisions.items()):
        decisions.add_metric((kind,), count)
    failures = CounterMetricFamily("suan_pool_failures", "Calls that failed", labels=("pool",))
    for pool, count in sorted(counted.pool_failures.items()):
        failures.add_metric((pool,), count)
    moved = CounterMetricFamily(
        "suan_pool_moved_runs", "Runs that left a lost pool unlaunched", labels=("pool",)
    )
    for pool, count in sorted(counted.pool_moved.items()):
        moved.add_metric((pool,), count)
    doubts = CounterMetricFamily(
        "suan_pool_doubts", "What pools said and cannot be", labels=("pool", "doubt")
    )
    for labels, count in sorted(counted.pool_doubts.items()):
        doubts.add_metric(labels, count)
    steps = SummaryMetricFamily("suan_loop_seconds", "Seconds of a step", labels=("step",))
    for step, (count, total_us) in sorted(counted.timings.items()):
        steps.add_metric((step,), count_value=count, sum_value=total_us / 1_000_000)
    retries, orphans = counted.store_retries, counted.orphans
    return [
        decisions,
        failures,
        moved,
        doubts,
        steps,
        CounterMetricFamily("suan_store_retries", "Writes tried again", value=retries),
        CounterMetricFamily("suan_orphans", "Runs of nobody that were ended", value=orphans),
    ]


def _jobs(jobs: Mapping[JobState, int]) -> Metric:
    family = GaugeMetricFamily("suan_jobs", "Jobs in the store by state", labels=("state",))
    for state in JobState:
        family.add_metric((state.value,), jobs.get(state, 0))
    return family


def _pools(pools: Sequence[PoolStatus]) -> list[Metric]:
    up = GaugeMetricFamily("suan_pool_available", "1 if the pool gets new work", labels=("pool",))
    trial = GaugeMetricFamily(
        "suan_pool_half_open", "1 while the pool is tried on one node", labels=("pool",)
    )
    runs = GaugeMetricFamily("suan_pool_runs", "Runs in the pool", labels=("pool",))
    labels = ("pool", "what")
    cpu = GaugeMetricFamily("suan_pool_cpu_milli", "Processors, in thousandths", labels=labels)
    memory = GaugeMetricFamily("suan_pool_memory_mib", "Memory, in MiB", labels=labels)
    cards = GaugeMetricFamily(
        "suan_pool_accelerator_milli",
        "Accelerators, in thousandths",
        labels=("pool", "model", "what"),
    )
    for pool in pools:
        name = pool.offer.pool
        up.add_metric((name,), float(pool.available))
        trial.add_metric((name,), float(pool.circuit == "half_open"))
        runs.add_metric((name,), pool.runs)
        for what, amount in (("total", pool.total), ("free", pool.free)):
            cpu.add_metric((name, what), amount.cpu_milli)
            memory.add_metric((name, what), amount.memory_mib)
            for model, milli in amount.accelerators:
                cards.add_metric((name, model, what), milli)
    return [up, trial, runs, cpu, memory, cards]
