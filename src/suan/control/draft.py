"""A cycle in the making: what happened becomes events, and events and plan become one record.

A draft writes to the book as it goes; if the cycle cannot be recorded the term is over, and book
and scheduler go with it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from suan.control import feed
from suan.control.book import Book, PoolSight, overrides
from suan.control.happenings import (
    Capacity,
    Delivering,
    Doubted,
    Happening,
    Launched,
    Over,
    Reported,
    Unreachable,
)
from suan.control.quotas import NO_QUEUE, limits_of, quota_of, told_limits, told_quota
from suan.control.reasons import place_reasons
from suan.control.reserving import conflict
from suan.model.bill import Bill
from suan.model.errors import InvariantViolation
from suan.model.events import (
    Event,
    JobCancelled,
    JobSubmitted,
    LimitsChanged,
    PoolDrained,
    PoolLost,
    PoolObserved,
    QueueChanged,
    QuotaChanged,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
    RunStarted,
    TenantChanged,
)
from suan.model.job import Cause, Job, JobState, Outcome, Run, RunState, Stopping
from suan.model.plan import Decision, Finish, Hold, Place, Requeue, Stop
from suan.model.policy import DISCIPLINES
from suan.model.pool import RunReport, Usage
from suan.model.quota import Limits, Quota, Spent
from suan.model.reservation import Reservation, first_met, reservation_of
from suan.model.spec import Checkpoint
from suan.model.store import Command, Cycle, FeedEntry, JobUpdate, JournalEntry
from suan.model.units import HOUR, Instant, JobId, Money, PoolName, QueueName, RunId, TenantName

log = logging.getLogger(__name__)

BillOf = Callable[[Run, Usage | None], Bill]


class Draft:
    """One cycle's events, and everything it changes."""

    def __init__(self, book: Book, now: Instant, bill: BillOf) -> None:
        self.now = now
        self.events: list[Event] = []
        self.placed: list[Run] = []
        self.stops: list[Stop] = []
        self.ended: list[Run] = []
        self._book = book
        self._bill = bill
        self._jobs: dict[JobId, JobUpdate] = {}
        self._runs: dict[RunId, Run] = {}
        self._feed: list[FeedEntry] = []
        self._taken_jobs: list[JobId] = []
        self._taken_commands: list[int] = []
        self._drained: dict[str, bool] = {}
        self._queues: dict[str, tuple[int, str, bool]] = {}
        self._quotas: dict[str, Quota] = {}
        self._tenant_weights: dict[str, int] = {}
        self._tenant_quotas: dict[str, Quota] = {}
        self._limits: dict[str, Limits] = {}
        self._reservations: dict[str, Reservation | None] = {}
        self._usages: dict[RunId, Usage] = {}
        self.manners: dict[JobId, Checkpoint] = {}  # of stopping runs of cancelled jobs

    # What happened ---------------------------------------------------------------------------

    def happened(self, happening: Happening) -> None:
        """Take an agent's news. What repeats, or cannot be true, changes nothing."""
        match happening:
            case Capacity():
                self._capacity(happening)
            case Unreachable():
                self._unreachable(happening)
            case Delivering():
                self._delivering(happening)
            case Launched(run, ref):
                self._launched(run, ref)
            case Reported():
                self._reported(happening)
            case Doubted(pool, doubt, detail):
                self._tell("pool.doubted", None, pool=pool, doubt=doubt, detail=detail)
            case Over(run, outcome):
                if (open_run := self._book.runs.get(run)) is not None:
                    self._end(open_run, outcome, self.now)

    def submitted(self, job: Job, event: JobSubmitted) -> None:
        """Take a job into the line."""
        self._take(job)
        self.events.append(event)
        if job.cancel_requested:
            self.events.append(JobCancelled(self.now, job.id))

    def skipped(self, job: Job, detail: str) -> None:
        """Take a job that can never start: it ends here, and the scheduler never hears of it."""
        self._take(job)
        self.skip(job.id, detail)

    def skip(self, job: JobId, detail: str) -> None:
        """End a job that can never start."""
        self._finish(job, JobState.SKIPPED, None, detail=detail)

    def command(self, number: int, command: Command, spent: tuple[Spent, ...] = ()) -> None:
        """Take a request to the leader. ``spent`` is what the user that it limits has used."""
        self._taken_commands.append(number)
        match command.kind:
            case "cancel":
                self._cancel(number, command)
            case "drain" | "undrain":
                self._drain(PoolName(command.target), command.kind == "drain", command.by)
            case "set_queue":
                self._set_queue(number, command)
            case "set_tenant":
                self._set_tenant(number, command)
            case "set_limits":
                self._set_limits(number, command, spent)
            case "reserve":
                self._reserve(number, command)
            case "unreserve":
                self._unreserve(command)
            case _:
                log.error("command %d: nobody knows how to %s", number, command.kind)

    def led(self, holder: str, url: str, token: int) -> None:
        """Note that a new leader has begun."""
        self._tell("leader.changed", None, holder=holder, url=url, token=token)

    # What was decided ------------------------------------------------------------------------

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Turn decisions into what they change."""
        for decision in decisions:
            match decision:
                case Place():
                    self._place(decision)
                case Stop():
                    self._stop(decision)
                case Requeue():
                    self._requeue(decision)
                case Finish(job, state, run, detail):
                    self._finish(job, state, run, detail=detail)
                case Hold(job, until, detail):
                    self._tell("job.held", job, until=until, detail=detail)

    def entry(self, number: int, token: int, *, kind: str = "cycle") -> JournalEntry:
        """The journal's entry before anything is decided."""
        return JournalEntry(
            number=number,
            kind=kind,
            token=token,
            now=self.now,
            events=tuple(self.events),
            limit=0,
            digest="",
        )

    def cycle(self, *entries: JournalEntry) -> Cycle:
        """Everything that changes, ready to be recorded."""
        return Cycle(
            entries=entries,
            jobs=tuple(self._jobs.values()),
            runs=tuple(self._runs.values()),
            usages=self._usages,
            feed=tuple(self._feed),
            taken_jobs=tuple(self._taken_jobs),
            taken_commands=tuple(self._taken_commands),
            drained_pools=self._drained,
            queues=self._queues,
            quotas=self._quotas,
            tenant_weights=self._tenant_weights,
            tenant_quotas=self._tenant_quotas,
            limits=self._limits,
            reservations=self._reservations,
        )

    @property
    def changes_nothing(self) -> bool:
        """Whether there is nothing to record."""
        return not (self.events or self._jobs or self._runs or self._feed or self._taken_commands)

    # Pools and runs --------------------------------------------------------------------------

    def _capacity(self, seen: Capacity) -> None:
        pool = seen.offer.pool
        sight = self._book.pools.setdefault(pool, PoolSight(seen.offer))
        if not sight.available:
            kind = "pool.joined" if sight.observed_at is None else "pool.back"
            self._feed.append(feed.pool_seen(kind, self.now, pool, nodes=len(seen.nodes)))
        if seen.complete:
            sight.nodes.clear()
        for name in seen.removed:
            sight.nodes.pop(name, None)
        sight.nodes.update((node.name, node) for node in seen.nodes)
        sight.offer, sight.detail, sight.observed_at = seen.offer, "", self.now
        sight.available = sight.told = True
        self.events.append(
            PoolObserved(self.now, seen.offer, seen.nodes, seen.removed, seen.complete)
        )

    def _unreachable(self, lost: Unreachable) -> None:
        sight = self._book.pools[lost.pool]
        sight.detail = lost.detail
        if sight.available or not sight.told:
            sight.available, sight.told = False, True
            self.events.append(PoolLost(self.now, lost.pool, lost.detail))
            self._tell("pool.lost", None, pool=lost.pool, detail=lost.detail)

    def _delivering(self, moving: Delivering) -> None:
        run = self._book.runs.get(moving.run)
        if run is None or run.state is not RunState.PLACED:
            return
        megabytes = f"{moving.done / 1e6:,.0f} of {moving.size / 1e6:,.0f} MB"
        detail = f"delivering {megabytes} to {moving.pool}"
        self._enter(replace(self._book.job(run.job), detail=detail))
        self._tell("run.delivering", run=run, pool=moving.pool, done=moving.done, size=moving.size)

    def _launched(self, run: RunId, ref: str) -> None:
        open_run = self._book.runs.get(run)
        if open_run is not None and open_run.ref != ref:
            self._note(replace(open_run, ref=ref))

    def _reported(self, reported: Reported) -> None:
        report = reported.report
        run = self._book.runs.get(report.run)
        if run is None:
            return
        if run.pool != reported.pool:
            log.warning("%s reports %s, which is in %s", reported.pool, run.id, run.pool)
            return
        self._launched(run.id, report.ref)
        if report.started_at is not None and run.state is RunState.PLACED:
            self._start(self._book.runs[run.id], report.started_at)
        if report.outcome is not None:
            ended_at = self.now if report.ended_at is None else report.ended_at
            self._end(self._book.runs[run.id], report.outcome, ended_at, report=report)

    def _start(self, run: Run, started_at: Instant) -> None:
        # A pool's clock may be off: what it says is kept within what we know.
        started_at = min(max(started_at, run.placed_at), self.now)
        run = self._note(replace(run, state=RunState.STARTED, started_at=started_at))
        self.events.append(RunStarted(self.now, run.id, len(run.nodes)))
        self._tell("run.started", run=run, pool=run.pool)
        job = self._book.job(run.job)
        if job.started_at is None or job.detail:
            self._enter(replace(job, started_at=job.started_at or started_at, detail=""))

    def _end(
        self, run: Run, outcome: Outcome, ended_at: Instant, *, report: RunReport | None = None
    ) -> None:
        ended_at = min(max(ended_at, run.started_at or run.placed_at), self.now)
        outcome = self._as_asked(run.id, outcome)
        run = replace(run, state=RunState.ENDED, ended_at=ended_at, outcome=outcome)
        usage = report.usage if report is not None else None
        if usage is not None:
            self._usages[run.id] = usage
        asked = report.bill if report is not None else None
        bill = self._bill(run, usage) if asked is None else asked
        used = Spent(ended_at, bill.device_ms, bill.money)
        run = replace(run, bill=bill)
        self._runs[run.id] = run
        self._book.close(run)
        self.ended.append(run)
        self.events.append(RunEnded(self.now, run.id, outcome, used))
        self._feed.append(feed.run_ended(run, self.now))

    def _as_asked(self, run: RunId, outcome: Outcome) -> Outcome:
        """A pool only knows that it was told to end a run; we know why."""
        stop = self._book.stopping.get(run)
        if stop is None or outcome.cause is not Cause.CANCELLED:
            return outcome
        return replace(outcome, cause=stop.cause, detail=stop.detail or outcome.detail)

    def hourly(self, run: Run) -> Money:
        """What an hour of a run costs, as far as is known of it beforehand."""
        return self._bill(replace(run, started_at=0, ended_at=HOUR), None).money

    # Decisions -------------------------------------------------------------------------------

    def _place(self, place: Place) -> None:
        job = self._book.job(place.job)
        if job.state is not JobState.PENDING or place.run in self._book.runs:
            raise InvariantViolation(f"{place.job} is {job.state} and was placed again: {place}")
        run = Run(
            id=place.run,
            job=place.job,
            attempt=place.attempt,
            pool=place.pool,
            nodes=place.nodes,
            per_task=place.per_task,
            state=RunState.PLACED,
            placed_at=self.now,
            option=place.option,
            reasons=place_reasons(place, self._book.currencies(), self._book.racks(place)),
            hurries=place.hurries,
        )
        self.placed.append(self._note(run))
        self._feed.append(feed.run_placed(run))
        self._enter(
            replace(
                job,
                state=JobState.RUNNING,
                attempts=place.attempt,
                pool=place.pool,
                nodes=len(place.nodes),
                detail="",
            )
        )

    def _stop(self, stop: Stop) -> None:
        run = self._book.runs.get(stop.run)
        if run is None:
            raise InvariantViolation(f"{stop.run} is not open and was to be stopped: {stop}")
        before = self._book.stopping.get(stop.run)
        if before is not None and not overrides(stop, before):
            return
        self._book.stopping[stop.run] = stop
        self.stops.append(stop)
        stopping = Stopping(stop.cause, stop.detail, stop.keeps, stop.makes_room_for)
        self._note(replace(run, stop=stopping))
        self._tell(
            "run.stopping", run=run, pool=run.pool, cause=stop.cause.value, detail=stop.detail
        )

    def _requeue(self, requeue: Requeue) -> None:
        run = self._book.ended.pop(requeue.job, None)
        job = self._book.job(requeue.job)
        exit_code = run.outcome.exit_code if run is not None and run.outcome else None
        self._enter(
            replace(job, state=JobState.PENDING, exit_code=exit_code, detail=requeue.detail)
        )
        self._tell(
            "job.requeued", requeue.job, detail=requeue.detail, not_before=requeue.not_before
        )

    def _finish(self, job: JobId, state: JobState, run: RunId | None, *, detail: str) -> None:
        last = self._book.ended.pop(job, None)
        outcome = last.outcome if last is not None and last.id == run else None
        update = replace(
            self._book.job(job),
            state=state,
            ended_at=last.ended_at if last is not None and last.id == run else self.now,
            exit_code=outcome.exit_code if outcome is not None else None,
            detail=detail or (outcome.detail if outcome is not None else ""),
        )
        self._enter(update)
        self._tell(
            "job.finished",
            job,
            state=state.value,
            exit_code=update.exit_code,
            detail=update.detail,
        )

    # Rows ------------------------------------------------------------------------------------

    def _take(self, job: Job) -> None:
        self._taken_jobs.append(job.id)
        self._book.pending += 1
        self._tell("job.submitted", job.id, name=job.spec.name, queue=job.spec.queue, user=job.user)

    def _drain(self, pool: PoolName, drained: bool, by: str) -> None:
        self._drained[pool] = drained
        if (sight := self._book.pools.get(pool)) is not None:
            sight.drained = drained
        self.events.append(PoolDrained(self.now, pool, drained, by))
        self._tell("pool.drained" if drained else "pool.undrained", None, pool=pool, by=by)

    def _cancel(self, number: int, command: Command) -> None:
        job, args = JobId(command.target), command.args
        self.events.append(JobCancelled(self.now, job, command.by))
        self._tell("job.cancelling", job, by=command.by)
        if not args:
            return
        try:
            self.manners[job] = Checkpoint(args["signal"], int(args["grace"]))
        except (KeyError, ValueError) as error:
            log.error("command %d: %s cannot be stopped so: %s", number, job, error)

    def _set_queue(self, number: int, command: Command) -> None:
        name, args = QueueName(command.target), command.args
        try:
            weight, quota = int(args.get("weight", "1")), quota_of(args)
        except ValueError as error:  # refused here, it would come back to every leader for ever
            log.error("command %d: queue %s cannot be set so: %s", number, name, error)
            return
        discipline = args.get("discipline", "")
        if discipline not in ("", *DISCIPLINES):
            log.error("command %d: nobody knows the discipline %r", number, discipline)
            return
        open_ = args.get("open", "true") == "true"
        self._queues[name] = (weight, discipline, open_)
        self.events.append(QueueChanged(self.now, name, weight, discipline, open_))
        if quota is not None:
            self._quotas[name] = quota
            self.events.append(QuotaChanged(self.now, name, quota))
        self._tell(
            "queue.changed",
            None,
            queue=name,
            weight=weight,
            discipline=discipline,
            open=str(open_).lower(),
            **told_quota(quota),
            by=command.by,
        )

    def _set_tenant(self, number: int, command: Command) -> None:
        name, args = TenantName(command.target), command.args
        try:
            weight, quota = int(args.get("weight", "1")), quota_of(args)
        except ValueError as error:
            log.error("command %d: tenant %s cannot be set so: %s", number, name, error)
            return
        self._tenant_weights[name] = weight
        self.events.append(TenantChanged(self.now, name, weight))
        if quota is not None:
            self._tenant_quotas[name] = quota
            self.events.append(QuotaChanged(self.now, NO_QUEUE, quota, name))
        told = told_quota(quota)
        self._tell("tenant.changed", None, tenant=name, weight=weight, **told, by=command.by)

    def _set_limits(self, number: int, command: Command, spent: tuple[Spent, ...]) -> None:
        try:
            limits = limits_of(command.args)
        except ValueError as error:
            log.error("command %d: %s cannot be limited so: %s", number, command.target, error)
            return
        self._limits[command.target] = limits
        told_spent = spent if limits.budgeted else ()
        self.events.append(LimitsChanged(self.now, command.target, limits, told_spent))
        told = told_limits(limits)
        self._tell("limits.changed", None, user=command.target, **told, by=command.by)

    def _reserve(self, number: int, command: Command) -> None:
        try:
            asked = reservation_of(command.target, command.args, by=command.by, made_at=self.now)
        except ValueError as error:
            log.error("command %d: %s cannot be reserved so: %s", number, command.target, error)
            return
        self.forget_over()
        met = first_met(asked, self._book.reservations.values())
        if met is not None or asked.end <= self.now:
            detail = conflict(asked, met).message if met is not None else "it would be over already"
            self._tell("reservation.refused", None, name=asked.name, detail=detail, by=asked.by)
            return
        self._reservations[asked.name] = self._book.reservations[asked.name] = asked
        self.events.append(ReservationMade(self.now, asked))
        self._tell(
            "reservation.made",
            None,
            name=asked.name,
            pool=asked.pool,
            nodes=",".join(asked.nodes),
            begin=asked.begin,
            end=asked.end,
            tenants=",".join(asked.tenants),
            users=",".join(asked.users),
            reason=asked.reason,
            by=asked.by,
        )

    def _unreserve(self, command: Command) -> None:
        if self._book.reservations.pop(command.target, None) is not None:
            self._reservations[command.target] = None
            self.events.append(ReservationCancelled(self.now, command.target, command.by))
            self._tell("reservation.cancelled", None, name=command.target, by=command.by)

    def forget_over(self) -> None:
        """Reservations that are over go: the feed has what they were."""
        for each in list(self._book.reservations.values()):
            if each.end <= self.now:
                del self._book.reservations[each.name]
                self._reservations[each.name] = None

    def _note(self, run: Run) -> Run:
        self._runs[run.id] = run
        self._book.runs[run.id] = run
        return run

    def _enter(self, update: JobUpdate) -> None:
        self._jobs[update.id] = self._book.enter(update)

    def _tell(
        self, kind: str, job: JobId | None = None, run: Run | None = None, **data: object
    ) -> None:
        self._feed.append(feed.entry(kind, self.now, job, run=run, **data))
