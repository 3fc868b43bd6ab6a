"""Every thing that can be asked of the API, as a ``Call``. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import quote

import msgspec

from suan.client.decode import body_of, health_of, member, nothing, view
from suan.client.wire import Call
from suan.model.spec import JobSpec
from suan.model.views import (
    BoundsView,
    EventView,
    ExplanationView,
    FetchView,
    JobDetail,
    JobList,
    LimitsView,
    MissingView,
    OutputsView,
    PeerView,
    PoolView,
    QueueView,
    ReservationView,
    ServerView,
    SiteView,
    SubmittedView,
    TenantView,
    TokenView,
)

_JSON = ("Content-Type", "application/json")
BEGINNING = 0


class Filters(TypedDict, total=False):
    """Which jobs are meant. ``label`` is ``KEY=VALUE``; several ``state``s mean any of them."""

    state: Sequence[str]
    queue: str
    user: str
    tenant: str
    name: str
    array_id: str
    label: str


class Reserve(TypedDict, total=False):
    """Which nodes to keep, and for whom. ``nodes`` by name, or ``count`` of those whose names
    ``match`` and that have an ``accelerator``; ``maintenance`` admits nobody."""

    nodes: Sequence[str]
    count: int | None
    match: str
    accelerator: str
    tenants: Sequence[str]
    users: Sequence[str]
    maintenance: bool
    reason: str


class Offer(TypedDict, total=False):
    """What a peer may use of a pool; see ``PUT /v1/peers/{name}/offers/{pool}``."""

    ceiling: BoundsView
    share_milli: int
    hours: Sequence[tuple[int, int]]
    begin: int | None
    end: int | None
    prices: Mapping[str, Any] | None
    queue: str
    priority: int
    new_secret: bool


class LogPart(TypedDict, total=False):
    """Which part of which log. ``stream`` is ``stdout`` or ``stderr``; ``tail`` counts lines;
    ``attempt`` of ``None`` is the latest; ``offset`` and ``limit`` are bytes."""

    attempt: int | None
    task: int
    stream: str
    offset: int
    tail: int | None
    limit: int


def submit(specs: Sequence[JobSpec], key: str | None) -> Call[SubmittedView]:
    """Jobs, all or none. With a ``key``, doing it twice is doing it once."""
    alone = len(specs) == 1
    return Call(
        "POST",
        "/v1/jobs" if alone else "/v1/jobs/batch",
        view(SubmittedView),
        headers=(_JSON, ("Idempotency-Key", key)) if key else (_JSON,),
        content=msgspec.json.encode(specs[0] if alone else {"jobs": specs}),
        repeatable=key is not None,
    )


def missing(digests: Sequence[str]) -> Call[MissingView]:
    return Call(
        "POST",
        "/v1/content/missing",
        view(MissingView),
        headers=(_JSON,),
        content=msgspec.json.encode({"digests": digests}),
    )


def fetch(url: str) -> Call[FetchView]:
    content = msgspec.json.encode({"url": url})
    return Call("POST", "/v1/content/fetch", view(FetchView), headers=(_JSON,), content=content)


def put_content(body: bytes) -> Call[None]:
    """Pieces of contents (``suan.content.frames``)."""
    headers = (("Content-Type", "application/octet-stream"),)
    return Call("POST", "/v1/content", nothing, headers=headers, content=body)


def get(job: str) -> Call[JobDetail]:
    return Call("GET", f"/v1/jobs/{_part(job)}", view(JobDetail))


def page(filters: Filters, cursor: str | None, limit: int) -> Call[JobList]:
    query = (*_query(filters), *_query({"cursor": cursor, "limit": limit}))
    return Call("GET", "/v1/jobs", view(JobList), query=query)


def counts(filters: Filters) -> Call[dict[str, int]]:
    return Call("GET", "/v1/jobs/counts", view(dict[str, int]), query=_query(filters))


def cancel(job: str) -> Call[tuple[str, ...]]:
    path = f"/v1/jobs/{_part(job)}/cancel"
    return Call("POST", path, member("cancelled", tuple[str, ...]))


def logs(job: str, part: LogPart, *, follow: bool) -> Call[None]:
    query = _query(part)
    if follow:
        query = (*query, ("follow", "true"))
    return Call(
        "GET",
        f"/v1/jobs/{_part(job)}/logs",
        nothing,
        query=query,
        headers=(("Accept", "application/octet-stream"),),
    )


def outputs(job: str, attempt: int | None) -> Call[OutputsView]:
    path = f"/v1/jobs/{_part(job)}/outputs"
    return Call("GET", path, view(OutputsView), query=_query({"attempt": attempt}))


def output(job: str, path: str, *, attempt: int | None, offset: int, limit: int) -> Call[bytes]:
    """Bytes of a file that a run has left."""
    where = "/".join(map(_part, path.split("/")))
    return Call(
        "GET",
        f"/v1/jobs/{_part(job)}/outputs/{where}",
        body_of,
        query=_query({"attempt": attempt, "offset": offset, "limit": limit}),
        headers=(("Accept", "application/octet-stream"),),
    )


def explain(job: str) -> Call[ExplanationView]:
    return Call("GET", f"/v1/jobs/{_part(job)}/explain", view(ExplanationView))


def plan(spec: JobSpec) -> Call[tuple[ExplanationView, ...]]:
    return Call(
        "POST",
        "/v1/plans",
        member("plans", tuple[ExplanationView, ...]),
        headers=(_JSON,),
        content=msgspec.json.encode(spec),
    )


def pools() -> Call[tuple[PoolView, ...]]:
    return Call("GET", "/v1/pools", member("pools", tuple[PoolView, ...]))


def pool(name: str) -> Call[PoolView]:
    return Call("GET", f"/v1/pools/{_part(name)}", view(PoolView))


def drain(name: str, *, drained: bool) -> Call[None]:
    return Call("POST", f"/v1/pools/{_part(name)}/{'drain' if drained else 'undrain'}", nothing)


def queues() -> Call[tuple[QueueView, ...]]:
    return Call("GET", "/v1/queues", member("queues", tuple[QueueView, ...]))


def set_queue(name: str, changes: Mapping[str, Any]) -> Call[QueueView]:
    return Call(
        "PUT",
        f"/v1/queues/{_part(name)}",
        view(QueueView),
        headers=(_JSON,),
        content=msgspec.json.encode(changes),
    )


def tenants() -> Call[tuple[TenantView, ...]]:
    return Call("GET", "/v1/tenants", member("tenants", tuple[TenantView, ...]))


def set_tenant(name: str, changes: Mapping[str, Any]) -> Call[TenantView]:
    return Call(
        "PUT",
        f"/v1/tenants/{_part(name)}",
        view(TenantView),
        headers=(_JSON,),
        content=msgspec.json.encode(changes),
    )


def limits() -> Call[tuple[LimitsView, ...]]:
    return Call("GET", "/v1/limits", member("limits", tuple[LimitsView, ...]))


def set_limits(user: str, changes: Mapping[str, Any]) -> Call[LimitsView]:
    return Call(
        "PUT",
        f"/v1/limits/{_part(user)}",
        view(LimitsView),
        headers=(_JSON,),
        content=msgspec.json.encode(changes),
    )


def reservations() -> Call[tuple[ReservationView, ...]]:
    return Call("GET", "/v1/reservations", member("reservations", tuple[ReservationView, ...]))


def reserve(wanted: Mapping[str, Any]) -> Call[ReservationView]:
    return Call(
        "POST",
        "/v1/reservations",
        view(ReservationView),
        headers=(_JSON,),
        content=msgspec.json.encode({k: v for k, v in wanted.items() if v is not None}),
        repeatable=False,
    )


def cancel_reservation(name: str) -> Call[None]:
    return Call("DELETE", f"/v1/reservations/{_part(name)}", nothing)


def peers() -> Call[tuple[PeerView, ...]]:
    return Call("GET", "/v1/peers", member("peers", tuple[PeerView, ...]))


def offer(peer: str, pool: str, wanted: Mapping[str, Any]) -> Call[PeerView]:
    return Call(
        "PUT",
        f"/v1/peers/{_part(peer)}/offers/{_part(pool)}",
        view(PeerView),
        headers=(_JSON,),
        content=msgspec.json.encode({k: v for k, v in wanted.items() if v is not None}),
        repeatable=False,
    )


def revoke_offer(peer: str, pool: str, *, now: bool) -> Call[tuple[str, ...]]:
    path = f"/v1/peers/{_part(peer)}/offers/{_part(pool)}"
    query = (("now", "true"),) if now else ()
    return Call("DELETE", path, member("ended", tuple[str, ...]), query=query)


def events(after: int, limit: int | None) -> Call[tuple[EventView, ...]]:
    query = _query({"after": after, "limit": limit})
    return Call("GET", "/v1/events", member("events", tuple[EventView, ...]), query=query)


def event_stream(after: int) -> Call[None]:
    return Call(
        "GET",
        "/v1/events",
        nothing,
        query=_query({"after": after}),
        headers=(("Accept", "text/event-stream"),),
    )


def sites() -> Call[tuple[SiteView, ...]]:
    return Call("GET", "/v1/sites", member("sites", tuple[SiteView, ...]))


def server() -> Call[ServerView]:
    return Call("GET", "/v1/server", view(ServerView))


def health() -> Call[dict[str, Any]]:
    return Call("GET", "/v1/health", health_of)


def create_token(wanted: Mapping[str, Any]) -> Call[TokenView]:
    return Call(
        "POST",
        "/v1/tokens",
        view(TokenView),
        headers=(_JSON,),
        content=msgspec.json.encode({k: v for k, v in wanted.items() if v is not None}),
        repeatable=False,
    )


def tokens() -> Call[tuple[TokenView, ...]]:
    return Call("GET", "/v1/tokens", member("tokens", tuple[TokenView, ...]))


def revoke_token(token: str) -> Call[None]:
    return Call("DELETE", f"/v1/tokens/{_part(token)}", nothing)


def _part(name: str) -> str:
    """A name as one segment of a path, whatever it holds."""
    return quote(name, safe="") or "%20"


def _query(wanted: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for name, value in wanted.items():
        values = value if isinstance(value, (list, tuple)) else (value,)
        pairs += [(name, str(one)) for one in values if one is not None]
    return tuple(pairs)
