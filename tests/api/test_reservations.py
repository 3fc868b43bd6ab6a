"""Reservations over the API: what is drawn up, recorded, shown, refused and cancelled."""

import asyncio

import pytest

from suan.model.live import PoolStatus
from suan.model.offer import NodeStatus, Offer
from suan.model.reservation import Reservation, reservation_of
from suan.model.resources import Resources
from suan.model.units import HOUR, SECOND, NodeName, PoolName, RunId
from tests.api.conftest import NOW, Api
from tests.api.test_submit import problem

BEGIN = NOW // SECOND + 3600
BODY = {"name": "repair", "pool": "lab", "begin": BEGIN, "end": BEGIN + 3600, "maintenance": True}
GPU = Resources(8000, 1024, (("A100-80GB", 8000),))


@pytest.fixture
def lab(api: Api) -> Api:
    nodes = tuple(
        NodeStatus(NodeName(name), GPU if name.startswith("gpu") else Resources(8000, 1024))
        for name in ("gpu-1", "gpu-2", "n1")
    )
    offer = Offer(PoolName("lab"), "local")
    free = Resources()
    api.loop.given_pools = (PoolStatus(offer, nodes, free, free, 0, True, False, NOW),)
    api.loop.now = NOW
    return api


async def leader(api: Api) -> None:
    """Record what is asked for next."""
    while not (await api.store.gather(10)).commands:
        await asyncio.sleep(0.01)
    [(number, command)] = (await api.store.gather(10)).commands
    made: Reservation | None = None
    if command.kind == "reserve":
        made = reservation_of(command.target, command.args, by=command.by, made_at=NOW)
        api.loop.reservations[made.name] = made
    await api.record(reservations={command.target: made}, taken_commands=(number,))


async def made(api: Api, **changes: object) -> dict:
    answer, _ = await asyncio.gather(
        api.http.post("/v1/reservations", json={**BODY, **changes}), leader(api)
    )
    assert answer.status_code == 201, answer.text
    found: dict = answer.json()
    return found


async def test_one_is_made_shown_and_cancelled(lab: Api) -> None:
    lab.loop.outlasting = {NodeName("n1"): (RunId("0000000000aa-r1"),)}
    run = await lab.add_run(await lab.add_job(), tasks=2)  # on n1
    told = await made(lab, reason="new disks")
    assert told["nodes"] == ["gpu-1", "gpu-2", "n1"], "all that the pool has"
    assert told["maintenance"]
    assert told["may_go_on"] == ["0000000000aa-r1"]
    assert told["by"] == "local"
    [listed] = (await lab.http.get("/v1/reservations")).json()["reservations"]
    assert listed["running"] == [run.id]
    assert listed["reason"] == "new disks"
    assert listed["begin"] == told["begin"]
    again = await lab.http.post("/v1/reservations", json=BODY)
    assert "there is a reservation repair already" in problem(again, 409, "conflict")["detail"]
    gone, _ = await asyncio.gather(lab.http.delete("/v1/reservations/repair"), leader(lab))
    assert (gone.status_code, gone.json()["asked"]) == (200, "cancel")
    assert (await lab.http.get("/v1/reservations")).json() == {"reservations": []}
    problem(await lab.http.delete("/v1/reservations/repair"), 404, "not_found")


async def test_nodes_are_found(lab: Api) -> None:
    lab.loop.outlasting = {NodeName("gpu-1"): (RunId("0000000000aa-r1"),)}
    some = await made(
        lab, count=1, accelerator="A100", maintenance=False, tenants=["lab/x"], users=["ann"]
    )
    assert some["nodes"] == ["gpu-2"], "nothing may still run there then"
    assert (some["tenants"], some["users"]) == (["lab/x"], ["ann"])
    other = await made(lab, name="other", count=1, match="gpu-*")
    assert other["nodes"] == ["gpu-1"], "the only one that is left"
    few = await lab.http.post("/v1/reservations", json={**BODY, "name": "x", "count": 2})
    assert "1 of 3 such nodes" in problem(few, 409, "conflict")["detail"]
    met = await lab.http.post("/v1/reservations", json={**BODY, "name": "x", "nodes": ["gpu-1"]})
    assert "reservation other keeps gpu-1" in problem(met, 409, "conflict")["detail"]
    later = {"begin": BEGIN + 3600, "end": BEGIN + 7200}
    assert (await made(lab, name="y", nodes=["gpu-1"], **later))["nodes"] == ["gpu-1"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"end": BEGIN}, "end"),
        ({"begin": -1}, "begin"),
        ({"begin": 10**12, "end": 10**13}, "begin"),
        ({"maintenance": False}, "maintenance"),
        ({"users": ["ann"]}, "maintenance"),
        ({"maintenance": False, "users": ["a b"]}, "users[0]"),
        ({"maintenance": False, "tenants": ["a//b"]}, "tenants[0]"),
        ({"nodes": ["n9"]}, "nodes"),
        ({"nodes": ["n1"], "count": 2}, "nodes"),
        ({"count": 0}, "count"),
        ({"match": "x*"}, "match"),
        ({"accelerator": "H100"}, "match"),
        ({"name": "a b"}, "name"),
        ({"reason": "a\nb"}, "reason"),
        ({"begin": 1, "end": 2}, "end"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be(lab: Api, change: dict, where: str) -> None:
    answer = await lab.http.post("/v1/reservations", json={**BODY, **change})
    told = problem(answer, 422, "invalid_input")
    assert told["where"] == where or told["detail"].startswith(f"{where}: ")


async def test_a_pool_that_is_not_there(lab: Api) -> None:
    answer = await lab.http.post("/v1/reservations", json={**BODY, "pool": "none"})
    assert "there are lab" in problem(answer, 404, "not_found")["detail"]


async def test_what_no_leader_records_is_only_asked_for(
    lab: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.api.routes.reservations.RECORDED_WITHIN_S", 0.05)
    assert (await lab.http.post("/v1/reservations", json=BODY)).status_code == 202


async def test_of_two_at_once_the_second_is_told(lab: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suan.api.routes.reservations.RECORDED_WITHIN_S", 0.05)
    first = Reservation("first", PoolName("lab"), (NodeName("n1"),), NOW, NOW + 9 * HOUR)
    await lab.record(reservations={"first": first})  # the loop has not heard of it
    answer = await lab.http.post("/v1/reservations", json=BODY)
    assert "first was recorded first" in problem(answer, 409, "conflict")["detail"]


async def test_those_that_are_over_are_not_shown(lab: Api) -> None:
    over = Reservation("over", PoolName("lab"), (NodeName("n1"),), NOW - HOUR, NOW)
    await lab.record(reservations={"over": over})
    assert (await lab.http.get("/v1/reservations")).json() == {"reservations": []}
    problem(await lab.http.delete("/v1/reservations/over"), 404, "not_found")


async def test_only_the_leader_makes_one(lab: Api) -> None:
    lab.loop.leading = False
    problem(await lab.http.post("/v1/reservations", json=BODY), 503, "not_leader")
