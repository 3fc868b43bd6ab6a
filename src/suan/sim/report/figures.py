"""The figures by which policies are compared: one table for the text, the page and the files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from suan.model.units import HOUR, SECOND
from suan.sim.report import wording
from suan.sim.results import Result

Better: TypeAlias = Literal["less", "more", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` is in the unit that ``column`` names; ``shown`` puts it in words.

    ``better`` says which way is; it is empty where the policy is not what it tells of.
    """

    column: str
    label: str
    part: str
    value: Callable[[Result], float]
    shown: Callable[[float], str]
    better: Better = "less"


def _quantile(share: float, result: Result) -> float:
    return result.overall.wait.quantile(share) / SECOND


def _duration(seconds: float) -> str:
    return wording.duration(seconds * SECOND)


def _state(state: str, result: Result) -> float:
    return dict(result.states).get(state, 0)


def _plain(number: float) -> str:
    return f"{number:,.2f}"


FIGURES: tuple[Figure, ...] = (
    Figure(
        "wait_mean_s",
        "mean",
        "wait",
        lambda result: result.overall.mean_wait / SECOND,
        _duration,
    ),
    Figure(
        "wait_mean_s",
        "mean, in seconds",
        "wait",
        lambda result: result.overall.mean_wait / SECOND,
        _plain,
    ),
    Figure("wait_p50_s", "median", "wait", partial(_quantile, 0.5), _duration),
    Figure("wait_p95_s", "95 % wait at most", "wait", partial(_quantile, 0.95), _duration),
    Figure("wait_p99_s", "99 % wait at most", "wait", partial(_quantile, 0.99), _duration),
    Figure(
        "wait_max_s",
        "longest",
        "wait",
        lambda result: result.overall.wait.maximum / SECOND,
        _duration,
    ),
    Figure(
        "completion_mean_s",
        "mean completion",
        "jobs",
        lambda result: result.overall.mean_completion / SECOND,
        _duration,
    ),
    Figure(
        "slowdown_mean",
        "mean slowdown",
        "jobs",
        lambda result: result.overall.mean_slowdown,
        wording.amount,
    ),
    Figure(
        "deadlines_missed",
        "deadlines missed",
        "jobs",
        lambda result: result.missed,
        wording.count,
    ),
    Figure(
        "utilisation",
        "utilisation",
        "machines",
        lambda result: result.utilisation,
        wording.percent,
        "more",
    ),
    Figure(
        "makespan_s",
        "makespan",
        "machines",
        lambda result: result.makespan / SECOND,
        _duration,
    ),
    Figure(
        "preemptions",
        "preemptions",
        "machines",
        lambda result: result.preempted,
        wording.count,
    ),
    Figure(
        "lost_device_hours",
        "lost device-hours",
        "machines",
        lambda result: result.lost_device_time / (1000 * HOUR),
        wording.amount,
    ),
    Figure("jobs", "jobs", "ended", lambda result: result.jobs, wording.count, ""),
    Figure("succeeded", "succeeded", "ended", partial(_state, "succeeded"), wording.count, "more"),
    Figure("failed", "failed", "ended", partial(_state, "failed"), wording.count),
    Figure("cancelled", "cancelled", "ended", partial(_state, "cancelled"), wording.count),
    Figure("skipped", "skipped", "ended", partial(_state, "skipped"), wording.count),
    Figure("never_ran", "never ran", "ended", lambda result: result.never_ran, wording.count),
)

HEADINGS = {"wait": "Wait", "jobs": "Jobs", "machines": "Machines", "ended": "How jobs ended"}
OPTIONAL = frozenset(
    {"deadlines_missed", "failed", "cancelled", "skipped", "never_ran", "succeeded"}
)


def best(figure: Figure, values: list[float]) -> float | None:
    """The best of several values; ``None`` where none is better than another."""
    if not figure.better or len(set(values)) < 2:
        return None
    return max(values) if figure.better == "more" else min(values)


def told(results: tuple[Result, ...]) -> list[Figure]:
    """The figures worth a line: those that only say "0" for every policy are left out."""
    return [
        figure
        for figure in FIGURES
        if figure.column not in OPTIONAL or any(figure.value(each) for each in results)
    ]
