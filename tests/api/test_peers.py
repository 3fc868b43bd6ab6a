"""Peers: what an owner offers, and what another platform may ask of it, in signed requests."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest

from suan.api.auth import digest_of
from suan.model.job import Cause, JobState, Outcome, Run, RunState
from suan.model.live import PoolStatus
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.peer import Ending, ForwardedRun
from suan.model.pool import Launch, Usage
from suan.model.resources import Resources
from suan.model.spec import Checkpoint, JobSpec
from suan.model.store import JobUpdate, Token
from suan.model.units import HOUR, MINUTE, SECOND, JobId, NodeName, PoolName, RunId, run_id
from suan.peering.protocol import Forward
from suan.peering.signing import Asked, Seal, sign
from tests.api.conftest import NOW, Api
from tests.api.test_submit import problem

SIZE = Resources(64_000, 524_288, (("H100", 8000),))
TERMS = Terms(cpu_hour=1_000_000, currency="CNY", carbon_mg_per_kwh=500_000)
LAB = PoolName("lab")


def status(*, nodes: int = 2, drained: bool = False) -> PoolStatus:
    found = tuple(NodeStatus(NodeName(f"real-host-{n}"), SIZE) for n in range(nodes))
    return PoolStatus(Offer(LAB, "local", TERMS), found, SIZE, SIZE, 0, True, drained, NOW)


@dataclass
class Gansu:
    """A peer, with the secret that it was given."""

    api: Api
    token: str
    secret: str
    at: int = NOW // SECOND
    numbers: Any = field(default_factory=itertools.count)

    def sealed(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        seal = Seal(self.token, self.at, f"nonce-{next(self.numbers):016}")
        path, _, query = path.partition("?")
        return sign(Asked(method, path, query, body), seal, digest_of(self.secret))

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        content = b"" if body is None else msgspec.json.encode(body)
        headers = self.sealed(method, path, content)
        return await self.api.http.request(method, path, content=content, headers=headers)

    async def forward(self, run: str = "aaaaaaaaaaaa-r1", **more: Any) -> httpx.Response:
        turn = more.pop("turn", 0)
        wanted: dict[str, Any] = {
            "nodes": (NodeName("8xh100-64c-512g-1"),), "per_task": Resources(4000, 1024), **more
        }  # fmt: skip
        launch = Launch(RunId(run), JobId("aaaaaaaaaaaa"), "train", script="true", **wanted)
        path = f"/v1/peer/offers/lab/runs/{run}"
        return await self.ask("PUT", path, Forward(launch, turn))

    async def jobs(self) -> list[str]:
        found = (await self.api.http.get("/v1/jobs")).json()["jobs"]
        return [job["id"] for job in found]


async def offered(api: Api, **what: Any) -> dict[str, Any]:
    api.loop.given_pools = api.loop.given_pools or (status(),)
    answer = await api.http.put("/v1/peers/gansu/offers/lab", json=what)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def gansu(api: Api) -> Gansu:
    made = await offered(api)
    return Gansu(api, made["token"], made["secret"])


# The operator's side -----------------------------------------------------------------------------


async def test_an_offer_is_made_listed_changed_and_taken_back(api: Api) -> None:
    made = await offered(api, share_milli=500, hours=[[600, 1200]])
    assert made["secret"].startswith("suan_")
    changed = await offered(api, ceiling={"accelerators": {"h100": 4000}}, priority=-5)
    assert changed["secret"] is None
    listed = (await api.http.get("/v1/peers")).json()["peers"]
    assert [peer["name"] for peer in listed] == ["gansu"]
    [offer] = listed[0]["offers"]
    assert (offer["ceiling"]["accelerators"], offer["share_milli"]) == ({"H100": 4000}, 1000)
    assert (offer["tenant"], offer["priority"], offer["hours"]) == ("peers/gansu/lab", -5, [])
    gone = await api.http.delete("/v1/peers/gansu/offers/lab")
    assert gone.json() == {"ended": []}
    problem(await api.http.delete("/v1/peers/gansu/offers/lab"), 404, "not_found")
    [left] = (await api.http.get("/v1/peers")).json()["peers"]
    assert (left["token"], left["offers"]) == (made["token"], [])


async def test_the_ceiling_is_asked_for_as_the_tenants_quota(api: Api) -> None:
    await offered(api, ceiling={"cpu_milli": 64_000, "accelerators": {"H100": 4000}})
    [(_, command)] = (await api.store.gather(10)).commands
    assert (command.kind, command.target) == ("set_tenant", "peers/gansu/lab")
    assert command.args["ceiling"] == "H100=4,cpu=64"


async def test_a_new_secret_ends_the_old_one(api: Api, gansu: Gansu) -> None:
    again = await offered(api, new_secret=True)
    assert again["secret"] != gansu.secret
    problem(await gansu.ask("GET", "/v1/peer/offers"), 401, "token_revoked")
    gansu.token, gansu.secret = again["token"], again["secret"]
    assert (await gansu.ask("GET", "/v1/peer/offers")).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ({"share_milli": 0}, "share_milli"),
        ({"hours": [[0, 1440]]}, "hours"),
        ({"hours": [[5, 5]]}, "hours"),
        ({"begin": 10, "end": 10}, "end"),
        ({"ceiling": {"accelerators": {"*": 1}}}, "ceiling.accelerators"),
        ({"prices": {"cpu_hour": -1}}, "prices"),
        ({"prices": {"currency": "money"}}, "currency"),
        ({"priority": 1001}, "priority"),
        ({"queue": "nowhere"}, "queue"),
        ({"much": 1}, "much"),
    ],
)
async def test_an_offer_that_cannot_be(api: Api, wanted: dict[str, Any], where: str) -> None:
    api.loop.given_pools = (status(),)
    answer = await api.http.put("/v1/peers/gansu/offers/lab", json=wanted)
    found = problem(answer, 422, "invalid_input")
    assert where in found["where"] + found["detail"]
    assert await api.store.peers.offers() == ()


async def test_no_offer_of_a_pool_that_is_not_there(api: Api) -> None:
    problem(await api.http.put("/v1/peers/gansu/offers/lab", json={}), 404, "not_found")


# Who asks ----------------------------------------------------------------------------------------


async def test_the_platform_says_who_it_is_and_what_it_offers(gansu: Gansu) -> None:
    answer = await gansu.ask("GET", "/v1/peer/offers")
    assert answer.headers["suan-peer-version"] == "1"
    said = answer.json()
    assert said["platform"] == await gansu.api.store.peers.platform()
    assert said["offers"] == [{"pool": "lab", "open": True, "said": "open"}]


async def test_a_request_is_heard_once(gansu: Gansu) -> None:
    path = "/v1/peer/offers"
    headers = gansu.sealed("GET", path)
    assert (await gansu.api.http.get(path, headers=headers)).status_code == 200
    again = await gansu.api.http.get(path, headers=headers)
    assert "was made before" in problem(again, 401, "unauthenticated")["detail"]


@pytest.mark.parametrize("off", [-400, 400])
async def test_a_request_of_another_time(gansu: Gansu, off: int) -> None:
    gansu.at += off
    found = problem(await gansu.ask("GET", "/v1/peer/offers"), 401, "unauthenticated")
    assert f"{off:+} s" in found["detail"]
    assert "NTP" in found["mend"]


@pytest.mark.parametrize("part", ["method", "path", "query", "body", "secret", "token"])
async def test_a_signature_of_something_else(gansu: Gansu, part: str) -> None:
    path, body = "/v1/peer/runs/x-r1/end", b'{"grace": 1}'
    if part == "secret":
        gansu.secret += "x"
    if part == "token":
        gansu.token = "t000000000000"
    headers = gansu.sealed("POST", path, body)
    sent = {
        "method": ("PUT", path, body),
        "path": ("POST", "/v1/peer/runs/y-r1/end", body),
        "query": ("POST", path + "?x=1", body),
        "body": ("POST", path, b'{"grace": 2}'),
    }.get(part, ("POST", path, body))
    method, address, content = sent
    answer = await gansu.api.http.request(method, address, content=content, headers=headers)
    assert answer.status_code in (401, 405, 422)
    assert await gansu.api.store.peers.one("gansu", RunId("x-r1")) is None
    assert (await gansu.api.store.gather(9)).commands == ()


async def test_without_a_signature_nothing_is_told(gansu: Gansu) -> None:
    bare = await gansu.api.http.get("/v1/peer/offers", headers={"suan-peer-version": "1"})
    problem(bare, 401, "unauthenticated")
    bearer = {"Authorization": f"Bearer {gansu.secret}"}
    found = problem(await gansu.api.http.get("/v1/jobs", headers=bearer), 401, "unauthenticated")
    assert "opens nothing else" in found["detail"]


async def test_the_key_of_a_person_signs_nothing(gansu: Gansu) -> None:
    secret = "suan_" + "x" * 43
    token = Token("t-admin", "root", "admin", "root", NOW)
    await gansu.api.store.tokens.create(token, digest_of(secret))
    gansu.token, gansu.secret = "tadmin", secret
    problem(await gansu.ask("GET", "/v1/peer/offers"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("theirs", "who"), [("0", "it asks"), ("2", "it answers"), ("", "no version")]
)
async def test_another_version_is_told_who_must_upgrade(
    gansu: Gansu, theirs: str, who: str
) -> None:
    headers = gansu.sealed("GET", "/v1/peer/offers") | {"suan-peer-version": theirs}
    answer = await gansu.api.http.get("/v1/peer/offers", headers=headers)
    assert who in problem(answer, 426, "peer_version")["detail"]


# What it sees ------------------------------------------------------------------------------------


async def test_capacity_is_told_by_size_without_the_names_of_hosts(gansu: Gansu) -> None:
    answer = await gansu.ask("GET", "/v1/peer/offers/lab")
    assert "real-host" not in answer.text
    seen = answer.json()
    assert [node["name"] for node in seen["nodes"]] == ["8xh100-64c-512g-1", "8xh100-64c-512g-2"]
    assert seen["terms"]["cpu_hour"] == 1_000_000
    again = await gansu.ask("GET", f"/v1/peer/offers/lab?cursor={seen['cursor']}")
    assert (again.json()["nodes"], again.json()["cursor"]) == (None, seen["cursor"])


async def test_the_prices_of_the_offer_go_before_the_pools(api: Api, gansu: Gansu) -> None:
    prices = {"currency": "EUR", "cpu_hour": 7, "accelerator_hour": {"h100": 9}}
    await offered(api, prices=prices)
    terms = (await gansu.ask("GET", "/v1/peer/offers/lab")).json()["terms"]
    assert (terms["currency"], terms["cpu_hour"]) == ("EUR", 7)
    assert terms["accelerator_hour"] == [["H100", 9]]
    assert terms["carbon_mg_per_kwh"] == 500_000


async def test_what_is_not_offered_is_not_there(gansu: Gansu) -> None:
    problem(await gansu.ask("GET", "/v1/peer/offers/other"), 404, "not_found")
    assert (await gansu.forward()).status_code == 200
    answer = await gansu.ask("PUT", "/v1/peer/offers/other/runs/b-r1", Forward(launch("b-r1")))
    problem(answer, 404, "not_found")


def launch(run: str, **more: Any) -> Launch:
    job = JobId(run.rpartition("-r")[0])
    return Launch(RunId(run), job, "x", (NodeName("n"),), Resources(1000, 1024), "true", **more)


@pytest.mark.parametrize("how", ["drained", "hours", "end"])
async def test_what_is_closed_takes_nothing_new(api: Api, gansu: Gansu, how: str) -> None:
    minute = NOW // MINUTE % 1440
    if how == "drained":
        api.loop.given_pools = (status(drained=True),)
    elif how == "hours":
        await offered(api, hours=[[(minute + 1) % 1440, (minute + 60) % 1440]])
    else:
        await offered(api, begin=0, end=NOW // SECOND)
    nodes = (await gansu.ask("GET", "/v1/peer/offers/lab")).json()["nodes"]
    assert [node["schedulable"] for node in nodes] == [False, False]
    if how != "drained":  # a drained pool's queue takes jobs, which wait
        problem(await gansu.forward(), 409, "offer_closed")
        assert await gansu.jobs() == []


# Runs --------------------------------------------------------------------------------------------


async def test_a_run_becomes_a_job_once(api: Api, gansu: Gansu) -> None:
    env, secrets, saves = {"A": "b"}, {"TOKEN": "s3cret"}, Checkpoint("SIGUSR1", HOUR)
    given: dict[str, Any] = {"env": env, "secrets": secrets, "checkpoint": saves, "path": ("p1",)}
    answers = [await gansu.forward(**given) for _ in range(3)]
    assert {answer.json()["ref"] for answer in answers} == {"aaaaaaaaaaaa-r1"}
    [job] = await gansu.jobs()
    found = await api.store.get(JobId(job))
    assert found is not None
    spec: JobSpec = found.spec
    assert (found.user, spec.tenant, spec.labels) == (
        "peer.gansu", "peers/gansu/lab", {"peer": "gansu"},
    )  # fmt: skip
    assert (spec.resources[0].infra, spec.envs) == ("local/lab", env)
    assert spec.checkpoint == saves
    assert spec.forwarded is not None
    assert (spec.forwarded.run, spec.forwarded.path) == ("aaaaaaaaaaaa-r1", ("p1",))
    assert await api.store.secrets(found) == secrets
    assert (spec.retry.max_lost, spec.retry.max_preempted, spec.retry.max_failures) == (0, 0, 0)


async def test_a_job_that_comes_back_or_from_too_far(api: Api, gansu: Gansu) -> None:
    here = await api.store.peers.platform()
    answer = await gansu.forward(path=("p1", here, "p2"))
    assert "circle" in problem(answer, 409, "way_refused")["detail"]
    answer = await gansu.forward(path=("p1", "p2", "p3", "p4"))
    assert "4 platforms, and 3" in problem(answer, 409, "way_refused")["detail"]
    assert await gansu.jobs() == []


async def test_after_it_was_asked_for_in_vain_an_earlier_launch_has_no_effect(gansu: Gansu) -> None:
    path = "/v1/peer/runs/aaaaaaaaaaaa-r1/find"
    found = (await gansu.ask("POST", path)).json()
    assert (found["ref"], found["turn"]) == (None, 1)
    problem(await gansu.forward(), 409, "superseded")
    assert await gansu.jobs() == []
    assert (await gansu.forward(turn=1)).status_code == 200
    found = (await gansu.ask("POST", path)).json()
    assert (found["ref"], found["turn"]) == ("aaaaaaaaaaaa-r1", 1)
    assert len(await gansu.jobs()) == 1


async def test_cancelled_before_it_comes(api: Api, gansu: Gansu) -> None:
    body = {"signal": "SIGTERM", "grace": 5}
    ended = await gansu.ask("POST", "/v1/peer/runs/aaaaaaaaaaaa-r1/end", body)
    assert ended.status_code == 200
    await gansu.forward()
    [job] = await gansu.jobs()
    found = await api.store.get(JobId(job))
    assert found is not None
    assert found.cancel_requested


async def test_how_a_run_is_to_end_reaches_the_leader(api: Api, gansu: Gansu) -> None:
    await gansu.forward()
    [job] = await gansu.jobs()
    body = {"signal": "SIGUSR1", "grace": 60_000_000}
    await gansu.ask("POST", "/v1/peer/runs/aaaaaaaaaaaa-r1/end", body)
    [(_, command)] = (await api.store.gather(10)).commands
    assert (command.kind, command.target, command.args) == (
        "cancel", job, {"signal": "SIGUSR1", "grace": "60000000"},
    )  # fmt: skip
    bad = await gansu.ask("POST", "/v1/peer/runs/aaaaaaaaaaaa-r1/end", {"signal": "SIGKILL"})
    problem(bad, 422, "invalid_input")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"env": {"A=B": "1"}}, "envs"),
        ({"nodes": ()}, "num_nodes"),
        ({"time_limit": -1}, "time_limit"),
        ({"secrets": {"X": "\0"}}, "secrets"),
    ],
)
async def test_a_run_that_can_be_no_job(gansu: Gansu, more: dict[str, Any], where: str) -> None:
    found = problem(await gansu.forward(**more), 422, "invalid_input")
    assert where in found["where"] + found["detail"]


async def test_a_body_that_is_none(gansu: Gansu) -> None:
    path = "/v1/peer/offers/lab/runs/a-r1"
    problem(await gansu.ask("PUT", path, {"launch": 1}), 422, "invalid_input")
    problem(await gansu.ask("PUT", path, Forward(launch("b-r1"))), 422, "invalid_input")


# What becomes of it ------------------------------------------------------------------------------


async def ran(api: Api, job: str, state: JobState, outcome: Outcome | None, **more: Any) -> None:
    """A forwarded job's run, recorded as a leader would."""
    run = Run(
        id=run_id(JobId(job), 1), job=JobId(job), attempt=1, pool=LAB,
        nodes=(NodeName("real-host-1"),), per_task=Resources(4000, 1024),
        state=RunState.ENDED if outcome else RunState.STARTED,
        placed_at=NOW, started_at=NOW, ended_at=NOW + HOUR if outcome else None,
        ref="r", outcome=outcome,
    )  # fmt: skip
    ended = NOW + HOUR if state.final else None
    update = JobUpdate(JobId(job), state, 1, started_at=NOW, ended_at=ended)
    await api.record(runs=(run,), jobs=(update,), **more)


async def the_report(gansu: Gansu) -> dict[str, Any]:
    [report] = (await gansu.ask("GET", "/v1/peer/offers/lab")).json()["reports"]
    assert report["ref"] == report["run"] == "aaaaaaaaaaaa-r1"
    return report


async def test_start_and_end_are_mirrored_with_usage_and_bill(api: Api, gansu: Gansu) -> None:
    await gansu.forward()
    [job] = await gansu.jobs()
    assert (await the_report(gansu))["started_at"] is None
    await ran(api, job, JobState.RUNNING, None)
    assert (await the_report(gansu))["started_at"] == NOW
    usages = {run_id(JobId(job), 1): Usage(cpu_us=7, max_rss_mib=8)}
    await ran(api, job, JobState.FAILED, Outcome(Cause.FAILED, 3, detail="task 0"), usages=usages)
    report = await the_report(gansu)
    assert report["outcome"]["cause"] == "failed"
    assert (report["outcome"]["exit_code"], report["ended_at"]) == (3, NOW + HOUR)
    assert report["usage"]["cpu_us"] == 7
    assert (report["bill"]["money"], report["bill"]["currency"]) == (4_000_000, "CNY")


@pytest.mark.parametrize(
    ("ending", "state", "cause", "told"),
    [
        (Ending.CANCELLED, JobState.CANCELLED, Cause.CANCELLED, "cancelled"),
        (Ending.NOBODY, JobState.CANCELLED, Cause.CANCELLED, "preempted"),
        (Ending.REVOKED, JobState.CANCELLED, Cause.CANCELLED, "preempted"),
        (Ending.WITHDRAWN, JobState.CANCELLED, Cause.CANCELLED, "preempted"),
        (Ending.NOBODY, JobState.FAILED, Cause.PREEMPTED, "preempted"),
        (Ending.NOBODY, JobState.FAILED, Cause.LOST, "lost"),
        (Ending.CANCELLED, JobState.SUCCEEDED, Cause.SUCCEEDED, "succeeded"),
    ],
)
async def test_only_who_asked_hears_cancelled(
    api: Api, gansu: Gansu, ending: Ending, state: JobState, *, cause: Cause, told: str
) -> None:
    await gansu.forward()
    [job] = await gansu.jobs()
    if ending:
        await end(api, ending)
    await ran(api, job, state, Outcome(cause))
    assert (await the_report(gansu))["outcome"]["cause"] == told


async def end(api: Api, ending: Ending) -> None:
    from suan.model.store import Command

    run = ForwardedRun("gansu", RunId("aaaaaaaaaaaa-r1"), LAB, ending=ending)
    await api.store.peers.end(run, Command("cancel", ""), NOW)


async def test_a_run_that_never_started_and_was_taken_back(api: Api, gansu: Gansu) -> None:
    await gansu.forward()
    [job] = await gansu.jobs()
    path = "/v1/peer/runs/aaaaaaaaaaaa-r1"
    assert "TPU" in (await gansu.ask("POST", f"{path}/find")).json()["waiting"]
    await gansu.ask("POST", f"{path}/end", {"only_waiting": True})
    await api.record(jobs=(JobUpdate(JobId(job), JobState.CANCELLED, 0, ended_at=NOW),))
    outcome = (await the_report(gansu))["outcome"]
    assert (outcome["cause"], "waiting" in outcome["detail"]) == ("unlaunched", True)


async def test_what_its_pool_refuses_is_refused(api: Api, gansu: Gansu) -> None:
    await gansu.forward()
    [job] = await gansu.jobs()
    update = JobUpdate(JobId(job), JobState.FAILED, 0, ended_at=NOW, detail="no such thing")
    await api.record(jobs=(update,))
    outcome = (await the_report(gansu))["outcome"]
    assert (outcome["cause"], outcome["detail"]) == ("rejected", "no such thing")


async def test_revoking_sends_back_what_waits_and_with_now_what_runs(
    api: Api, gansu: Gansu
) -> None:
    await gansu.forward("aaaaaaaaaaaa-r1")
    await gansu.forward("bbbbbbbbbbbb-r1")
    newest, oldest = await gansu.jobs()
    await ran(api, oldest, JobState.RUNNING, None)
    gone = await api.http.delete("/v1/peers/gansu/offers/lab")
    assert gone.json() == {"ended": ["bbbbbbbbbbbb-r1"]}
    [(_, command)] = (await api.store.gather(9)).commands
    assert command.target == newest
    problem(await gansu.forward("cccccccccccc-r1"), 404, "not_found")
    seen = (await gansu.ask("GET", "/v1/peer/offers/lab")).json()
    assert (seen["nodes"], len(seen["reports"])) == ([], 2)
    await offered(api)
    gone = await api.http.delete("/v1/peers/gansu/offers/lab?now=true")
    assert gone.json() == {"ended": ["aaaaaaaaaaaa-r1", "bbbbbbbbbbbb-r1"]}


async def test_one_peer_knows_nothing_of_anothers_runs(api: Api, gansu: Gansu) -> None:
    await gansu.forward()
    made = (await api.http.put("/v1/peers/other/offers/lab", json={})).json()
    other = Gansu(api, made["token"], made["secret"])
    problem(await other.ask("GET", "/v1/peer/runs/aaaaaaaaaaaa-r1/log"), 404, "not_found")
    assert (await other.ask("POST", "/v1/peer/runs/aaaaaaaaaaaa-r1/find")).json()["ref"] is None
    assert (await other.ask("GET", "/v1/peer/offers/lab")).json()["reports"] == []
    assert (await other.forward()).status_code == 409  # it was asked for in vain
    assert len(await gansu.jobs()) == 1


async def test_a_log_by_offset(api: Api, gansu: Gansu) -> None:
    await gansu.forward()
    [job] = await gansu.jobs()
    path = "/v1/peer/runs/aaaaaaaaaaaa-r1/log"
    empty = await gansu.ask("GET", path)
    assert (empty.content, empty.headers["suan-log-end"]) == (b"", "0")
    await ran(api, job, JobState.RUNNING, None)
    api.loop.log, api.loop.log_ended = b"0123456789", True
    piece = await gansu.ask("GET", f"{path}?offset=-4&limit=2")
    assert (piece.content, piece.headers["suan-next-offset"]) == (b"67", "8")
    rest = await gansu.ask("GET", f"{path}?offset=8")
    assert (rest.content, rest.headers["suan-log-end"]) == (b"89", "1")


async def test_a_follower_passes_on_what_only_the_leader_knows(api: Api, gansu: Gansu) -> None:
    api.loop.leading = False
    problem(await gansu.ask("GET", "/v1/peer/offers/lab"), 503, "not_leader")
    problem(await gansu.forward(), 503, "not_leader")


async def test_no_user_says_that_his_job_was_forwarded(api: Api) -> None:
    body = {"run": "true", "forwarded": {"run": "x-r1", "path": []}}
    found = problem(await api.http.post("/v1/jobs", json=body), 422, "invalid_input")
    assert found["where"] == "forwarded"
