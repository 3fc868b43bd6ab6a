"""From what is recorded to what is shown."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from suan.model.bill import Bill
from suan.model.job import Job, Run
from suan.model.live import PoolStatus
from suan.model.peer import PeerOffer
from suan.model.plan import Explanation
from suan.model.refusal import Refusal
from suan.model.reservation import Reservation
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.spec import JobSpec, ResourceOption
from suan.model.store import FeedEntry, Token
from suan.model.units import Instant
from suan.model.views import (
    AmountView,
    CostView,
    DoubtView,
    EventView,
    ExplanationView,
    JobDetail,
    JobView,
    NodeView,
    OfferView,
    PoolView,
    RefusalView,
    ReservationView,
    RunView,
    TokenView,
    bounds_view,
)

MASK = "***"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(instant: Instant) -> datetime:
    """Microseconds since 1970 as a UTC datetime; the far future is shown as the year 9999."""
    try:
        return _EPOCH + timedelta(microseconds=instant)
    except OverflowError:
        return datetime(9999, 12, 31, tzinfo=UTC)


def _time(instant: Instant | None) -> datetime | None:
    return None if instant is None else time_of(instant)


def job_view(job: Job) -> JobView:
    """A job in a list."""
    spec = job.spec
    return JobView(
        id=job.id,
        name=spec.name,
        state=job.state.value,
        user=job.user,
        tenant=spec.tenant,
        queue=spec.queue,
        priority=spec.priority,
        num_nodes=spec.num_nodes,
        max_nodes=spec.max_nodes,
        nodes=job.nodes,
        resources=" | ".join(map(resources_text, spec.resources)),
        submitted_at=time_of(job.submitted_at),
        started_at=_time(job.started_at),
        ended_at=_time(job.ended_at),
        attempts=job.attempts,
        pool=job.pool,
        exit_code=job.exit_code,
        detail=job.detail,
        array_id=job.array_id,
        array_index=job.array_index,
        params=job.params,
    )


def resources_text(option: ResourceOption) -> str:
    """``cpus 4, memory 16 GiB, A100-80GB:8``; ``gpu:1`` is one of any model."""
    parts = [f"cpus {option.cpu_milli / 1000:g}"]
    if option.memory_mib is not None:
        whole, rest = divmod(option.memory_mib, 1024)
        parts.append(f"memory {option.memory_mib} MiB" if rest else f"memory {whole} GiB")
    for model, milli in sorted(option.accelerators.items()):
        parts.append(f"{'gpu' if model == ANY_ACCELERATOR else model}:{milli / 1000:g}")
    return ", ".join(parts) + (f" on {option.infra}" if option.infra else "")


def job_detail(job: Job, runs: tuple[Run, ...]) -> JobDetail:
    """A job, whole. Secrets are named, never shown."""
    return JobDetail(
        job=job_view(job),
        spec=spec_view(job.spec),
        after=tuple((name, condition) for name, condition in job.after),
        runs=tuple(map(run_view, runs)),
        bill=bill_of(runs),
    )


def spec_view(spec: JobSpec) -> dict[str, Any]:
    """A specification as plain data, each secret's value masked."""
    plain: dict[str, Any] = msgspec.to_builtins(spec)
    plain["secrets"] = dict.fromkeys(sorted(spec.secrets), MASK)
    return plain


def run_view(run: Run) -> RunView:
    """One attempt."""
    outcome = run.outcome
    return RunView(
        id=run.id,
        attempt=run.attempt,
        pool=run.pool,
        nodes=run.nodes,
        state=run.state.value,
        placed_at=time_of(run.placed_at),
        started_at=_time(run.started_at),
        ended_at=_time(run.ended_at),
        cause=outcome.cause.value if outcome else None,
        exit_code=outcome.exit_code if outcome else None,
        detail=outcome.detail if outcome else "",
        reasons=run.reasons,
        bill=run.bill,
        stopping=stopping_of(run),
    )


def stopping_of(run: Run) -> str:
    """That a run is to end, and why; empty where it is not, or has ended."""
    if run.stop is None or run.outcome is not None:
        return ""
    cause, detail = run.stop.cause.value, run.stop.detail
    return f"{cause}: {detail}" if detail else cause


def bill_of(runs: tuple[Run, ...]) -> Bill:
    """The sum of the runs' bills. A run in another currency is named, not converted."""
    bills = [run.bill for run in runs if run.bill is not None]
    if not bills:
        return Bill()
    total = bills[0]
    for bill in bills[1:]:
        if bill.currency != total.currency:
            left_out = f"left out: {bill.money} micro-{bill.currency} of another run"
            bill = replace(bill, money=0, currency=total.currency, notes=(*bill.notes, left_out))
        total = total.plus(bill)
    return total


def explanation_view(explanation: Explanation, currencies: Mapping[str, str]) -> ExplanationView:
    """Why a job waits, or where it would go. ``currencies`` are those of the pools, by name."""
    return ExplanationView(
        job=explanation.job,
        state=explanation.state,
        summary=explanation.summary,
        refusals=tuple(map(_refusal_view, explanation.refusals)),
        costs=tuple(
            CostView(each.pool, dict(each.terms), each.total, currencies.get(each.pool, ""))
            for each in explanation.costs
        ),
        ahead=explanation.ahead,
        earliest=_time(explanation.earliest),
        latest=_time(explanation.latest),
        rests_on=explanation.rests_on,
        due=explanation.due,
    )


def _refusal_view(refusal: Refusal) -> RefusalView:
    return RefusalView(
        code=refusal.code.value,
        pool=refusal.pool,
        detail=refusal.detail,
        unblocked_by=refusal.unblocked_by,
        permanent=refusal.permanent,
        preemption_helps=refusal.preemption_helps,
        behind=refusal.behind,
        until=_time(refusal.until),
    )


def amount_view(amount: Resources) -> AmountView:
    """An amount of resources."""
    return AmountView(amount.cpu_milli, amount.memory_mib, dict(amount.accelerators))


def pool_view(status: PoolStatus, *, with_nodes: bool = False) -> PoolView:
    """A pool; its nodes one by one only if asked for."""
    offer = status.offer
    nodes = status.nodes if with_nodes else ()
    return PoolView(
        name=offer.pool,
        kind=offer.kind,
        site=offer.terms.site,
        available=status.available,
        drained=status.drained,
        nodes=len(status.nodes),
        total=amount_view(status.total),
        free=amount_view(status.free),
        runs=status.runs,
        terms=msgspec.to_builtins(offer.terms),
        capabilities=offer.capabilities,
        frameworks=offer.frameworks,
        observed_at=_time(status.observed_at),
        detail=status.detail,
        circuit=status.circuit,
        doubts=tuple(DoubtView(time_of(since), said) for since, said in status.doubts),
        racks=len({node.rack for node in status.nodes if node.rack}),
        node_list=tuple(
            NodeView(node.name, amount_view(node.total), node.schedulable, node.rack)
            for node in nodes
        ),
    )


def event_view(entry: FeedEntry) -> EventView:
    """One thing that happened."""
    return EventView(entry.id, time_of(entry.at), entry.kind, entry.job, entry.run, entry.data)


def reservation_view(
    kept: Reservation, *, running: tuple[str, ...] = (), may_go_on: tuple[str, ...] = ()
) -> ReservationView:
    """A reservation, and the runs that are or may be in its way."""
    return ReservationView(
        name=kept.name,
        pool=kept.pool,
        nodes=kept.nodes,
        begin=time_of(kept.begin),
        end=time_of(kept.end),
        maintenance=kept.maintenance,
        tenants=kept.tenants,
        users=kept.users,
        reason=kept.reason,
        by=kept.by,
        made_at=time_of(kept.made_at),
        running=running,
        may_go_on=may_go_on,
    )


def offer_view(offer: PeerOffer, *, closed: str, runs: int) -> OfferView:
    """What a peer may use of a pool."""
    prices: dict[str, Any] | None = None
    if offer.prices is not None:
        prices = msgspec.to_builtins(offer.prices)
        prices["accelerator_hour"] = dict(offer.prices.accelerator_hour)
    return OfferView(
        pool=offer.pool,
        tenant=offer.tenant,
        ceiling=bounds_view(offer.ceiling),
        share_milli=offer.share_milli,
        hours=offer.hours,
        begin=_time(offer.begin),
        end=_time(offer.end),
        prices=prices,
        queue=offer.queue,
        priority=offer.priority,
        closed=closed,
        runs=runs,
    )


def token_view(token: Token, secret: str | None = None) -> TokenView:
    """A token; its secret only when it is made."""
    return TokenView(
        id=token.id,
        name=token.name,
        scope=token.scope,
        user=token.user,
        created_at=time_of(token.created_at),
        expires_at=_time(token.expires_at),
        revoked_at=_time(token.revoked_at),
        secret=secret,
    )
