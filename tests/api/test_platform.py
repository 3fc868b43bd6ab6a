"""Pools, queues, events, sites, the server, health, metrics; and a follower's way to the leader."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from suan.api import forwarding
from suan.control.quotas import limits_of, quota_of
from suan.model.bill import Bill
from suan.model.errors import StoreUnavailable
from suan.model.job import RunState
from suan.model.live import PoolStatus
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.policy import DISCIPLINES
from suan.model.quota import Limits
from suan.model.resources import Resources
from suan.model.store import FeedEntry, Store
from suan.model.units import DAY, HOUR, SECOND, NodeName, PoolName, RunId
from tests.api.asgi import stream
from tests.api.conftest import NOW, Api, application, client
from tests.api.loop import TestLoop
from tests.api.test_submit import problem

SIZE = Resources(64_000, 262_144, (("A100-80GB", 8000),))
LAB = PoolStatus(
    offer=Offer(PoolName("lab"), "local", Terms(currency="EUR"), capabilities=("logs",)),
    nodes=(NodeStatus(NodeName("n1"), SIZE, rack="spine1/leaf3"),),
    total=SIZE,
    free=SIZE,
    runs=2,
    available=True,
    drained=False,
    observed_at=NOW,
)


async def test_pools(api: Api) -> None:
    api.loop.given_pools = (LAB,)
    [pool] = (await api.http.get("/v1/pools")).json()["pools"]
    assert (pool["name"], pool["runs"], pool["node_list"]) == ("lab", 2, [])
    one = (await api.http.get("/v1/pools/lab")).json()
    assert one["node_list"][0]["total"]["accelerators"] == {"A100-80GB": 8000}
    assert (pool["racks"], one["node_list"][0]["rack"]) == (1, "spine1/leaf3")
    assert "lab" in problem(await api.http.get("/v1/pools/x"), 404, "not_found")["detail"]


async def test_a_plan_names_the_pools_currency(api: Api) -> None:
    api.loop.given_pools = (LAB,)
    found = await api.http.post("/v1/plans", json={"run": "x"})
    assert found.json()["plans"][0]["costs"][0]["currency"] == "EUR"


async def test_drain_and_undrain_leave_commands(api: Api) -> None:
    api.loop.given_pools = (LAB,)
    for kind in ("drain", "undrain"):
        assert (await api.http.post(f"/v1/pools/lab/{kind}")).status_code == 202
        problem(await api.http.post(f"/v1/pools/nope/{kind}"), 404, "not_found")
    commands = [command for _, command in (await api.store.gather(10)).commands]
    assert [(c.kind, c.target) for c in commands] == [("drain", "lab"), ("undrain", "lab")]


async def test_a_queue_is_made_used_and_closed(api: Api) -> None:
    async def leader(open_: bool) -> None:
        while not (await api.store.gather(10)).commands:
            await asyncio.sleep(0.01)
        [(number, command)] = (await api.store.gather(10)).commands
        assert command.args["open"] == str(open_).lower()
        await api.record(queues={"q": (3, "fifo", open_)}, taken_commands=(number,))

    body = {"weight": 3, "discipline": "fifo"}
    put, _ = await asyncio.gather(api.http.put("/v1/queues/q", json=body), leader(True))
    assert (put.status_code, put.json()["weight"]) == (200, 3)
    assert (await api.http.post("/v1/jobs", json={"run": "x", "queue": "q"})).status_code == 201
    shut = {**body, "open": False}
    await asyncio.gather(api.http.put("/v1/queues/q", json=shut), leader(False))
    made = await api.http.post("/v1/jobs", json={"run": "x", "queue": "q"})
    assert "closed" in made.json()["warnings"][0]
    queues = (await api.http.get("/v1/queues")).json()["queues"]
    assert [(q["name"], q["pending"]) for q in queues] == [("default", 0), ("q", 2)]


async def test_a_queue_that_no_leader_records_is_only_asked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.api.routes.queues.RECORDED_WITHIN_S", 0.05)
    assert (await api.http.put("/v1/queues/q", json={})).status_code == 202


@pytest.mark.parametrize(
    "body", [{"weight": 0}, {"weight": "1"}, {"discipline": "lifo"}, {"more": 1}, []]
)
async def test_a_queue_that_cannot_be(api: Api, body: object) -> None:
    problem(await api.http.put("/v1/queues/q", json=body), 422, "invalid_input")
    problem(await api.http.put("/v1/queues/a%20b", json={}), 422, "invalid_input")


QUOTA = {
    "guarantee": {"cpu_milli": 4000, "accelerators": {"nvidia a100": 2000}},
    "ceiling": {"cpu_milli": 8000, "memory_mib": 1024},
    "cohort": "lab",
}


async def test_a_queue_has_a_quota_until_it_is_taken_away(api: Api) -> None:
    async def leader() -> None:
        while not (await api.store.gather(10)).commands:
            await asyncio.sleep(0.01)
        [(number, command)] = (await api.store.gather(10)).commands
        queue, quota = (int(command.args["weight"]), "", True), quota_of(command.args)
        quotas = {} if quota is None else {"q": quota}
        await api.record(queues={"q": queue}, quotas=quotas, taken_commands=(number,))

    async def put(body: object) -> dict:
        answer, _ = await asyncio.gather(api.http.put("/v1/queues/q", json=body), leader())
        assert answer.status_code == 200
        return answer.json()

    first = await put({"quota": QUOTA})
    assert first["quota"]["cohort"] == "lab"
    assert first["quota"]["guarantee"] == {
        "cpu_milli": 4000,
        "memory_mib": None,
        "accelerators": {"A100-80GB": 2000},
    }
    assert first["held"] == {"cpu_milli": None, "memory_mib": None, "accelerators": {}}
    assert (await put({"weight": 2}))["quota"] == first["quota"]
    [_, listed] = (await api.http.get("/v1/queues")).json()["queues"]
    assert (listed["weight"], listed["quota"]) == (2, first["quota"])
    assert (await put({"quota": {}}))["quota"] is None
    assert await api.store.quotas() == {}


@pytest.mark.parametrize(
    ("quota", "where"),
    [
        ({"guarantee": {"cpu_milli": "4"}}, "quota.guarantee.cpu_milli"),
        ({"guarantee": {"cpu_milli": -1}}, "quota.guarantee.cpu_milli"),
        ({"ceiling": {"memory_mib": 2**60}}, "quota.ceiling.memory_mib"),
        ({"ceiling": {"accelerators": {"gpu": 1000}}}, "quota.ceiling.accelerators"),
        ({"ceiling": {"accelerators": {"cpu": 1000}}}, "quota.ceiling.accelerators"),
        ({"ceiling": {"accelerators": {"a,b=1": 1000}}}, "quota.ceiling.accelerators"),
        (
            {"ceiling": {"accelerators": {"A100": 1, "A100-80GB": 2}}},
            "quota.ceiling.accelerators",
        ),
        ({"ceiling": {"A100": 8}}, "quota.ceiling.A100"),
        ({"ceiling": {"cpu_milli": 1}, "guarantee": {"cpu_milli": 2}}, "quota.ceiling"),
        ({"cohort": "a b"}, "quota.cohort"),
        ({"cohort": "none"}, "quota.cohort"),
        ([], "quota"),
    ],
)
async def test_a_quota_that_cannot_be_names_the_field(api: Api, quota: object, where: str) -> None:
    answer = await api.http.put("/v1/queues/q", json={"quota": quota})
    assert problem(answer, 422, "invalid_input")["where"] == where
    assert not (await api.store.gather(10)).commands


async def test_a_tenant_has_a_weight_and_a_quota(api: Api) -> None:
    async def leader() -> None:
        while not (await api.store.gather(10)).commands:
            await asyncio.sleep(0.01)
        [(number, command)] = (await api.store.gather(10)).commands
        assert (command.kind, command.target) == ("set_tenant", "lab/vision")
        weights, quota = {"lab/vision": int(command.args["weight"])}, quota_of(command.args)
        quotas = {} if quota is None else {"lab/vision": quota}
        await api.record(tenant_weights=weights, tenant_quotas=quotas, taken_commands=(number,))

    async def put(body: object) -> dict:
        path = "/v1/tenants/lab%2Fvision"
        answer, _ = await asyncio.gather(api.http.put(path, json=body), leader())
        assert answer.status_code == 200
        return answer.json()

    first = await put({"weight": 3, "quota": QUOTA})
    assert (first["name"], first["weight"], first["running"]) == ("lab/vision", 3, 0)
    assert first["quota"]["cohort"] == "lab"
    assert (await put({"weight": 2}))["quota"] == first["quota"]
    listed = (await api.http.get("/v1/tenants")).json()
    assert [(each["name"], each["weight"]) for each in listed["tenants"]] == [("lab/vision", 2)]
    assert (await put({"quota": {}}))["quota"] is None
    assert (await api.http.get("/v1/tenants")).json() == {"tenants": []}


@pytest.mark.parametrize("name", ["a%20b", "a%0A", "lab//x", "lab/", "..%2Fb", "x" * 65, "a/" * 70])
async def test_a_tenant_that_cannot_be(api: Api, name: str) -> None:
    answer = await api.http.put(f"/v1/tenants/{name}", json={})
    assert problem(answer, 422, "invalid_input")["where"] == "name"
    assert not (await api.store.gather(10)).commands
    problem(await api.http.put("/v1/tenants/lab", json={"weight": 0}), 422, "invalid_input")


async def test_jobs_are_of_tenants_below_others(api: Api) -> None:
    made = await api.http.post("/v1/jobs", json={"run": "x", "tenant": "lab/vision"})
    assert made.status_code == 201
    answer = await api.http.post("/v1/jobs", json={"run": "x", "tenant": "lab//vision"})
    assert problem(answer, 422, "invalid_input")["where"] == "tenant"


async def test_a_tenant_that_no_leader_records_is_only_asked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.api.routes.tenants.RECORDED_WITHIN_S", 0.05)
    assert (await api.http.put("/v1/tenants/lab", json={})).status_code == 200, "it is so already"
    assert (await api.http.put("/v1/tenants/lab", json={"weight": 2})).status_code == 202


async def test_limits_are_set_and_lifted(api: Api) -> None:
    async def leader() -> None:
        while not (await api.store.gather(10)).commands:
            await asyncio.sleep(0.01)
        [(number, command)] = (await api.store.gather(10)).commands
        limits = {command.target: limits_of(command.args)}
        await api.record(limits=limits, taken_commands=(number,))

    for running in (3, 0):
        body = {"running": running}
        put, _ = await asyncio.gather(api.http.put("/v1/limits/ann", json=body), leader())
        others = {"pending": None, "pending_now": 0, "device_hours": None, "device_ms_used": 0}
        others |= {"money": None, "money_used": 0}
        ann = {"user": "ann", "running": running, "running_now": 0, **others}
        assert (put.status_code, put.json()) == (200, ann)
        assert (await api.http.get("/v1/limits")).json() == {"limits": [ann]}
        assert (await api.http.get("/v1/limits/ann")).json() == ann
    await asyncio.gather(api.http.put("/v1/limits/ann", json={"running": None}), leader())
    assert (await api.http.get("/v1/limits")).json() == {"limits": []}
    assert (await api.http.get("/v1/limits/ann")).json()["running"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"pending": -1},
        {"device_hours": 1.5},
        {"money": -1},
        {"money": 2**60},
        {"running": -1},
        {"running": "3"},
        {"running": 10**12},
        {"more": 1},
        [],
    ],
)
async def test_limits_that_cannot_be(api: Api, body: object) -> None:
    problem(await api.http.put("/v1/limits/ann", json=body), 422, "invalid_input")
    answer = await api.http.put("/v1/limits/a%20b", json={"running": 1})
    assert problem(answer, 422, "invalid_input")["where"] == "user"
    problem(await api.http.get("/v1/limits/a%20b"), 422, "invalid_input")


async def test_budgets_are_shown_with_what_was_used(api: Api) -> None:
    limits = Limits(device_hours=2, money=3_000_000)
    await api.record(limits={"local": limits})
    made = (await api.http.post("/v1/jobs", json={"run": "x"})).json()["id"]
    done = {"state": RunState.ENDED, "started_at": NOW - HOUR, "ended_at": NOW}
    run = replace(await api.add_run(made), **done, bill=Bill(cpu_ms=5000, money=7))
    old = replace(run, id=RunId("old"), ended_at=NOW - 32 * DAY)
    await api.record(runs=(run, old))
    found = (await api.http.get("/v1/limits/local")).json()
    assert (found["device_hours"], found["device_ms_used"]) == (2, 5000)
    assert (found["money"], found["money_used"]) == (3_000_000, 7)


async def test_more_pending_than_one_may_have_is_refused_with_the_counts(api: Api) -> None:
    await api.record(limits={"local": Limits(pending=3)})
    jobs = {"jobs": [{"run": "x"}, {"run": "y"}]}
    first = await api.http.post("/v1/jobs/batch", json=jobs, headers={"Idempotency-Key": "k"})
    assert first.status_code == 201
    told = problem(await api.http.post("/v1/jobs/batch", json=jobs), 409, "over_pending_limit")
    assert told["detail"] == "user local may have 3 jobs pending and has 2; 2 more are too many"
    assert told["mend"].startswith("submit at most 1 now, or wait")
    again = await api.http.post("/v1/jobs/batch", json=jobs, headers={"Idempotency-Key": "k"})
    assert again.json()["repeated"], "what was acknowledged stays so"
    assert (await api.http.post("/v1/jobs", json={"run": "x"})).status_code == 201
    told = problem(await api.http.post("/v1/jobs", json={"run": "x"}), 409, "over_pending_limit")
    assert told["mend"].startswith("wait until some have started")


async def test_limits_that_no_leader_records_are_only_asked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.api.routes.limits.RECORDED_WITHIN_S", 0.05)
    assert (await api.http.put("/v1/limits/ann", json={"running": 1})).status_code == 202


def happened(kind: str) -> FeedEntry:
    return FeedEntry(0, NOW, kind, None, None, {"pool": "lab"})


async def test_events_page_by_page(api: Api) -> None:
    await api.record(feed=tuple(happened("pool.lost") for _ in range(3)))
    first = (await api.http.get("/v1/events?limit=2")).json()["events"]
    rest = (await api.http.get(f"/v1/events?after={first[-1]['id']}")).json()["events"]
    assert [event["kind"] for event in first + rest] == ["pool.lost"] * 3
    answer = await api.http.get("/v1/events?after=x")
    assert problem(answer, 422, "invalid_input")["where"] == "query.after"
    answer = await api.http.get("/v1/events", headers={"Last-Event-ID": "x"})
    assert problem(answer, 422, "invalid_input")["where"] == "Last-Event-ID"


async def test_events_as_they_happen_and_resumed(api: Api) -> None:
    async with stream(api.app, "/v1/events", accept="text/event-stream") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        await events.until(b": connected")
        await api.record(feed=(happened("pool.lost"), happened("pool.back")))
        seen = (await events.until(b"pool.back")).decode()
    number = int(seen.split("id: ")[1].split("\n")[0])
    data = json.loads(seen.split("data: ")[1].split("\n")[0])
    assert (data["id"], data["kind"]) == (number, "pool.lost")
    resumed = {"accept": "text/event-stream", "last_event_id": str(number)}
    async with stream(api.app, "/v1/events", **resumed) as events:
        assert b"pool.lost" not in await events.until(b"pool.back")


async def test_a_quiet_stream_says_that_it_lives(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suan.api.routes.events.HEARTBEAT_S", 0.05)
    async with stream(api.app, "/v1/events", accept="text/event-stream") as events:
        await events.until(b": alive\n\n")


@pytest.mark.parametrize("discipline", ["", *DISCIPLINES])
async def test_a_queue_has_a_discipline_or_leaves_it_to_the_policy(
    api: Api, monkeypatch: pytest.MonkeyPatch, discipline: str
) -> None:
    monkeypatch.setattr("suan.api.routes.queues.RECORDED_WITHIN_S", 0.0)
    body = {"discipline": discipline} if discipline else {}
    assert (await api.http.put("/v1/queues/q", json=body)).json()["discipline"] == discipline
    [(_, command)] = (await api.store.gather(10)).commands
    assert command.args["discipline"] == discipline


async def test_sites_and_server(api: Api) -> None:
    assert len((await api.http.get("/v1/sites")).json()["sites"]) >= 10
    server = (await api.http.get("/v1/server")).json()
    assert (server["version"], server["engine"], server["leading"]) == ("1.2.3", "sqlite", True)


async def test_health(api: Api) -> None:
    answer = await api.http.get("/v1/health")
    assert (answer.status_code, answer.json()["checks"]["leader"]) == (
        503,
        "no server has taken the lead yet",
    )
    await api.store.acquire("me", "http://127.0.0.1:1", NOW, HOUR)
    answer = await api.http.get("/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    api.loop.trouble = "no cycle for 31 s"
    answer = await api.http.get("/v1/health")
    assert (answer.status_code, answer.json()["checks"]["loop"]) == (503, "no cycle for 31 s")


async def test_health_of_a_lapsed_lease(api: Api) -> None:
    await api.store.acquire("me", "http://127.0.0.1:1", NOW - 2 * SECOND, SECOND)
    assert "expired" in (await api.http.get("/v1/health")).json()["checks"]["leader"]


async def test_a_store_that_fails_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object) -> None:
        raise StoreUnavailable("the database is locked", mend="find who holds it")

    monkeypatch.setattr(api.store, "current", busy)
    monkeypatch.setattr(api.store, "submit", busy)
    assert (await api.http.get("/v1/health")).json()["checks"]["store"] == "the database is locked"
    answer = await api.http.post("/v1/jobs", json={"run": "x"})
    assert problem(answer, 503, "store_unavailable")["mend"] == "find who holds it"
    assert answer.headers["retry-after"] == "1"


async def test_a_bug_is_one_sentence_outside_and_a_story_in_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a private detail")

    monkeypatch.setattr(api.store, "counts", broken)
    answer = await api.http.get("/v1/jobs/counts")
    problem(answer, 500, "internal")
    assert "private" not in answer.text
    assert "a private detail" in caplog.text


async def test_metrics_tell_what_the_loop_has_counted(api: Api) -> None:
    lines = (await api.http.get("/metrics")).text.splitlines()
    assert 'suan_decisions_total{kind="place"} 3.0' in lines
    assert 'suan_pool_failures_total{pool="lab"} 2.0' in lines
    assert 'suan_pool_moved_runs_total{pool="lab"} 4.0' in lines
    assert 'suan_pool_doubts_total{doubt="clock",pool="lab"} 6.0' in lines
    assert 'suan_loop_seconds_count{step="decide"} 4.0' in lines
    assert 'suan_loop_seconds_sum{step="decide"} 2.0' in lines
    assert {"suan_store_retries_total 1.0", "suan_orphans_total 5.0"} <= set(lines)


async def test_metrics_count_requests_by_route(api: Api) -> None:
    api.loop.given_pools = (LAB,)
    job = await api.add_job()
    await api.http.get(f"/v1/jobs/{job}")
    await api.http.get("/v1/nowhere")
    text = (await api.http.get("/metrics")).text
    assert 'suan_jobs{state="pending"} 1.0' in text
    assert 'suan_pool_accelerator_milli{model="A100-80GB",pool="lab",what="free"} 8000.0' in text
    assert 'route="/v1/jobs/{job_id}",status="200"' in text
    assert 'route="(none)",status="404"' in text
    assert job not in text


@pytest.fixture
async def pair(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Api, Api]]:
    """A leader and a follower; what the follower forwards reaches the leader's application."""
    leading, following = TestLoop(), TestLoop(leading=False, leader_url="http://127.0.0.1:1")
    leader_app, follower_app = application(store, leading), application(store, following)
    real = httpx.AsyncClient

    def to_leader(**options: object) -> httpx.AsyncClient:
        return real(transport=httpx.ASGITransport(leader_app))

    async with client(leader_app) as one, client(follower_app) as other:
        monkeypatch.setattr(httpx, "AsyncClient", to_leader)
        yield (
            Api(leader_app, store, leading, one),
            Api(follower_app, store, following, other),
        )


async def test_a_follower_asks_the_leader(pair: tuple[Api, Api]) -> None:
    leader, follower = pair
    leader.loop.given_pools = (LAB,)
    job = await leader.add_job()
    assert (await follower.http.get("/v1/pools/lab")).json()["name"] == "lab"
    why = await follower.http.get(f"/v1/jobs/{job}/explain")
    assert why.json()["refusals"][0]["code"] == "no_such_accelerator"
    plan = await follower.http.post("/v1/plans", json={"run": "x", "num_nodes": 3})
    assert plan.status_code == 200
    assert leader.loop.planned[0].num_nodes == 3
    assert follower.loop.planned == []
    problem(await follower.http.get("/v1/pools/none"), 404, "not_found")


async def test_a_follower_submits_on_its_own(pair: tuple[Api, Api]) -> None:
    made = await pair[1].http.post("/v1/jobs", json={"run": "x"})
    assert made.status_code == 201
    assert (await pair[0].http.get(f"/v1/jobs/{made.json()['id']}")).status_code == 200


async def test_a_follower_whose_pool_is_out_of_reach_asks_the_leader_for_logs(
    pair: tuple[Api, Api],
) -> None:
    leader, follower = pair
    job = await leader.add_job()
    await leader.add_run(job)
    leader.loop.log = b"from the leader"
    follower.loop.log_faults = 100
    answer = await follower.http.get(f"/v1/jobs/{job}/logs")
    assert answer.content == b"from the leader"
    assert answer.headers["x-suan-next-offset"] == "15"


async def test_two_followers_do_not_ask_each_other_for_ever(api: Api) -> None:
    api.loop.leading = False
    api.loop.leader_url = "http://127.0.0.1:1"
    answer = await api.http.get("/v1/pools", headers={forwarding.HOP: "1"})
    problem(answer, 503, "not_leader")


async def test_no_leader_and_one_that_cannot_be_reached(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.loop.leading = False
    answer = await api.http.get("/v1/pools")
    assert "no server leads" in problem(answer, 503, "not_leader")["detail"]

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    real = httpx.AsyncClient
    monkeypatch.setattr(
        httpx, "AsyncClient", lambda **_: real(transport=httpx.MockTransport(refuse))
    )
    api.loop.leader_url = "http://127.0.0.1:1"
    found = problem(await api.http.get("/v1/pools"), 503, "not_leader")
    assert "http://127.0.0.1:1" in found["detail"]
