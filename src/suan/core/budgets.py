"""Budgets: how much device-time and money a user may use in a rolling window.

Of a run that has ended counts what it used, until the window has passed since the hour that it
ended in was over. Of one that goes on counts what it was *promised* when it started: its job's time
limit, or else what its user expects; or what it has run so far, once that is more or where nothing
was promised. A job starts only if all that, with what it is promised itself, is no more than the
budget: so what is promised at starts is never more than there is.
"""

from collections.abc import Iterable
from typing import NamedTuple

from suan.core.matching import Candidate
from suan.core.records import JobRecord, RunRecord
from suan.model.job import Cause
from suan.model.quota import BUDGET_WINDOW, Limits, Spent
from suan.model.resources import Resources
from suan.model.units import HOUR, Duration, Instant, Money

Use = tuple[int, Money]  # milliseconds of a device, and micro-units of money
NOTHING: Use = (0, 0)
DEVICE_HOURS, MONEY = range(2)
_MS_PER_HOUR = 3_600_000


class Over(NamedTuple):
    """What a job would pass, if it started: ``most`` of device-milliseconds or money, of which so
    much is ``used``, so much ``promised`` to runs, and so much the job's ``need``. ``frees_at`` is
    when enough of what was used falls out of the window, if that alone helps."""

    which: int
    most: int
    used: int
    promised: int
    need: int
    frees_at: Instant | None


class Purse:
    """One user's budget: what was ``spent``, by the hour, and his ``open`` runs. ``promised`` is
    what these hold ``at`` an instant; ``None``: it is to be summed up anew."""

    __slots__ = ("at", "first", "most", "open", "promised", "spent", "used")

    def __init__(self, limits: Limits) -> None:
        hours, money = limits.device_hours, limits.money
        self.most = (None if hours is None else hours * _MS_PER_HOUR, money)
        self.spent: dict[int, Use] = {}
        self.first: Instant | None = None  # when the first of it falls out
        self.used = NOTHING
        self.open: dict[RunRecord, None] = {}
        self.promised = NOTHING
        self.at: Instant | None = None

    def charge(self, spent: Spent) -> None:
        """Count what was used."""
        hour, use = spent.at // HOUR, (spent.device_ms, spent.money)
        self.spent[hour] = _sum(self.spent.get(hour, NOTHING), use)
        self.used = _sum(self.used, use)
        falls = _falls_out(hour)
        self.first = falls if self.first is None else min(self.first, falls)

    def drop(self, now: Instant) -> bool:
        """Forget what has fallen out of the window; whether that is anything."""
        if self.first is None or self.first > now:
            return False
        for hour in [hour for hour in self.spent if _falls_out(hour) <= now]:
            device_ms, money = self.spent.pop(hour)
            self.used = _sum(self.used, (-device_ms, -money))
        self.first = min(map(_falls_out, self.spent), default=None)
        return True

    def held(self, now: Instant) -> Use:
        """What is promised to open runs, or what they have run already."""
        if self.at != now:
            self.at, self.promised = now, NOTHING
            for run in self.open:
                self.promised = _sum(self.promised, _promised(run, now))
        return self.promised

    def frees_at(self, which: int, enough: int) -> Instant | None:
        """When so much will have fallen out of the window."""
        freed = 0
        for hour in sorted(self.spent):
            freed += self.spent[hour][which]
            if freed >= enough:
                return _falls_out(hour)
        return None


class Budgets:
    """The budgets of those who have one, as of ``now``."""

    __slots__ = ("now", "purses")

    def __init__(self) -> None:
        self.now: Instant = 0
        self.purses: dict[str, Purse] = {}

    def fork(self) -> "Budgets":
        """The same once more, but for the open runs: each is to be opened anew."""
        other = Budgets()
        other.now = self.now
        for user, purse in self.purses.items():
            copy = other.purses[user] = Purse(Limits())
            copy.most, copy.spent, copy.used = purse.most, dict(purse.spent), purse.used
            copy.first = purse.first
        return other

    def set(
        self, user: str, limits: Limits, *, spent: Iterable[Spent], runs: Iterable[RunRecord]
    ) -> None:
        """Give a user another budget, who has spent so much in the window and has these runs."""
        if not limits.budgeted:
            self.purses.pop(user, None)
            return
        purse = self.purses[user] = Purse(limits)
        for each in spent:
            purse.charge(each)
        purse.open = {run: None for run in runs if run.job.told.user == user}

    def open(self, run: RunRecord) -> None:
        """A run begins to count."""
        purse = self.purses.get(run.job.told.user)
        if purse is not None:
            purse.open[run] = None
            if purse.at == self.now:
                purse.promised = _sum(purse.promised, _promised(run, self.now))

    def changed(self, run: RunRecord) -> None:
        """A run has begun at another instant, or holds more than before."""
        purse = self.purses.get(run.job.told.user)
        if purse is not None:
            purse.at = None

    def close(self, run: RunRecord, spent: Spent) -> None:
        """A run has ended, and used so much."""
        purse = self.purses.get(run.job.told.user)
        if purse is not None and run in purse.open:
            del purse.open[run]
            purse.at = None
            purse.charge(spent)

    def pass_time(self, now: Instant) -> bool:
        """It is ``now``; whether anything has fallen out of somebody's window."""
        self.now = now
        fallen = [purse.drop(now) for purse in self.purses.values()]
        return any(fallen)

    def over(self, job: JobRecord, candidate: Candidate) -> Over | None:
        """What a job would pass if it started by a candidate now."""
        purse = self.purses.get(job.told.user)
        if purse is None:
            return None
        held = purse.held(self.now)
        rates = device_milli(candidate.per_task, candidate.tasks), hourly(job, candidate)
        needs = _use(*rates, promise_of(job))
        for which, most in enumerate(purse.most):
            if most is None or not rates[which]:
                continue
            used, promised, need = purse.used[which], held[which], needs[which]
            excess = used + promised + max(need, 1) - most
            if excess > 0:
                frees_at = purse.frees_at(which, excess)
                return Over(which, most, used, promised, need, frees_at)
        return None


def promise_of(job: JobRecord) -> Duration:
    """How long a run of a job may count beforehand; 0 where its user tells nothing."""
    return job.told.time_limit or job.told.expected or 0


def device_milli(per_task: Resources, tasks: int) -> int:
    """Thousandths of a gang's accelerators, or of its processors if it has none."""
    return (per_task.accelerators_total or per_task.cpu_milli) * tasks


def hourly(job: JobRecord, candidate: Candidate) -> Money:
    """What an hour by a candidate comes to on the bill: its devices and, fully busy, its energy."""
    terms = dict(candidate.cost.terms)
    return (terms["devices"] + terms["energy"]) * candidate.tasks // job.told.demand.tasks


def ran(run: RunRecord, cause: Cause, now: Instant) -> Spent:
    """What a run has used that ends now, as far as is known without a bill."""
    if cause in (Cause.REJECTED, Cause.UNLAUNCHED):
        return Spent(now)
    milli = device_milli(run.per_task, len(run.nodes))
    return Spent(now, *_use(milli, run.hourly, max(now - run.began, 0)))


def _promised(run: RunRecord, now: Instant) -> Use:
    milli = device_milli(run.per_task, len(run.nodes))
    return _use(milli, run.hourly, max(promise_of(run.job), now - run.began))


def _use(milli: int, money_hourly: Money, time: Duration) -> Use:
    """What so much comes to in a time, rounded up."""
    return -(-milli * time // 1_000_000), -(-money_hourly * time // HOUR)


def _sum(one: Use, other: Use) -> Use:
    return one[0] + other[0], one[1] + other[1]


def _falls_out(hour: int) -> Instant:
    return (hour + 1) * HOUR + BUDGET_WINDOW
