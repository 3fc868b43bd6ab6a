"""Reservations: nodes that are kept in advance, for some or for maintenance."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import USER, Operator, Viewer
from suan.api.body import read_json
from suan.api.checks import check_name, check_tenant
from suan.api.forwarding import to_leader
from suan.api.openapi import json_body
from suan.api.recorded import recorded
from suan.api.requests import ReservationRequest
from suan.api.services import ApiContext, context_of
from suan.api.views import reservation_view
from suan.model.errors import InputError, NotFound, StoreConflict
from suan.model.reservation import Reservation, ReservationAsked, args_of, first_met
from suan.model.store import Command
from suan.model.units import SECOND, NodeName, PoolName, TenantName
from suan.model.views import ReservationView

router = APIRouter(tags=["pools"])
RECORDED_WITHIN_S = 2.0


@router.get(
    "/v1/reservations",
    responses=documented(200, dict[str, list[ReservationView]], examples.RESERVATIONS),
)
async def list_reservations(request: Request, _: Viewer) -> Response:
    """Every reservation that is not over, in the order in which they begin, and what still runs on
    its nodes."""
    context = context_of(request)
    found = sorted((await _kept(context)).values(), key=lambda each: (each.begin, each.name))
    runs = await context.store.open_runs() if found else ()
    views = []
    for each in found:
        nodes = set(each.nodes)
        on_them = (r.id for r in runs if r.pool == each.pool and not nodes.isdisjoint(r.nodes))
        views.append(reservation_view(each, running=tuple(on_them)))
    return answer({"reservations": views})


@router.post(
    "/v1/reservations",
    status_code=201,
    responses=documented(
        201,
        ReservationView,
        examples.RESERVATION,
        "not_found",
        "conflict",
        "not_leader",
        also={202: "Asked for; the leader has not recorded it yet"},
    ),
    openapi_extra=json_body("ReservationRequest", examples.RESERVATION_REQUEST, "operator"),
)
async def make_reservation(request: Request, caller: Operator) -> Response:
    """Keep nodes. What runs on them is left to end; ``may_go_on`` names what may not have by
    then."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    asked = _asked(await read_json(request, ReservationRequest), caller.user)
    drawn, may_go_on = await context.live.draw_up(asked)
    command = Command("reserve", drawn.name, caller.user, args_of(drawn))

    async def done() -> bool:
        found = (await context.store.reservations()).get(drawn.name)
        return found is not None and args_of(found) == args_of(drawn)

    await context.store.request(command, context.now())
    context.live.nudge()
    in_time = await recorded(done, RECORDED_WITHIN_S)
    if not in_time:
        _not_met(drawn, await context.store.reservations())
    return answer(reservation_view(drawn, may_go_on=may_go_on), 201 if in_time else 202)


@router.delete(
    "/v1/reservations/{name}",
    responses=documented(
        200,
        dict[str, str],
        examples.UNRESERVED,
        "not_found",
        also={202: "Asked for; the leader has not recorded it yet"},
    ),
)
async def cancel_reservation(request: Request, caller: Operator, name: str) -> Response:
    """Keep its nodes no more. It may have begun."""
    context = context_of(request)
    if name not in await _kept(context):
        raise NotFound(
            f"there is no reservation {name[:80]!r} that is not over",
            where="name",
            mend="see `suan reservations list`",
        )

    async def done() -> bool:
        return name not in await context.store.reservations()

    await context.store.request(Command("unreserve", name, caller.user), context.now())
    context.live.nudge()
    in_time = await recorded(done, RECORDED_WITHIN_S)
    return answer({"reservation": name, "asked": "cancel"}, 200 if in_time else 202)


async def _kept(context: ApiContext) -> Mapping[str, Reservation]:
    """Those that are not over."""
    now = context.now()
    found = (await context.store.reservations()).items()
    return {name: each for name, each in found if each.end > now}


def _asked(asked: ReservationRequest, by: str) -> ReservationAsked:
    """What was asked for, each name checked.

    Raises:
        InputError: one is none; ``where`` names the field.
    """
    check_name(asked.name, "name")
    for at, tenant in enumerate(asked.tenants):
        check_tenant(tenant, f"tenants[{at}]")
    for at, user in enumerate(asked.users):
        if not USER.fullmatch(user):
            raise InputError(
                f"{user[:80]!r} is not a user's name",
                where=f"users[{at}]",
                mend="use letters, digits and . _ @ + -, at most 64",
            )
    return ReservationAsked(
        name=asked.name,
        pool=PoolName(asked.pool),
        begin=asked.begin * SECOND,
        end=asked.end * SECOND,
        nodes=tuple(map(NodeName, asked.nodes)),
        count=asked.count,
        match=asked.match,
        accelerator=asked.accelerator,
        tenants=tuple(map(TenantName, asked.tenants)),
        users=asked.users,
        reason=asked.reason,
        by=by,
    )


def _not_met(drawn: Reservation, among: Mapping[str, Reservation]) -> None:
    """Two may have been asked for at once, of which the leader records the first."""
    met = first_met(drawn, among.values())
    if met is not None and args_of(met) != args_of(drawn):
        raise StoreConflict(
            f"reservation {met.name} was recorded first, and keeps a node at the same time",
            mend="see `suan reservations list`",
        )
