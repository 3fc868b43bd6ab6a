"""Ray alone: what only a cluster, its other users and its operator can do to a run."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from suan.model.errors import PoolAuthError, PoolError, PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.offer import NodeStatus
from suan.model.resources import Resources
from suan.model.units import MINUTE, SECOND, RunId
from tests.conformance.pool.killing import dies_at, runs_once
from tests.conformance.pool.trial import Kind, RayKind, Trial
from tests.proxy import Proxy, proxy
from tests.ray import RayCluster
from tests.waiting import until, until_async

LAUNCH_AND_DIE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.conformance.pool.trial import RayKind
from tests.ray import RayCluster
async def main():
    cluster = RayCluster(Path(sys.argv[3]), sys.argv[4])
    async with RayKind(Path(sys.argv[2]), cluster).trial() as trial:
        await trial.launch("kill-r1", "echo x >> " + sys.argv[2] + "/count")
asyncio.run(main())
"""
GPUS = "H100"


@pytest.fixture
def kind(tmp_path: Path, ray_cluster: RayCluster) -> RayKind:
    return RayKind(tmp_path, ray_cluster)


class OwnRayKind(RayKind):
    """The cluster is held already, by this test alone."""

    trial = Kind.trial


@pytest.fixture
def own(tmp_path: Path, ray_cluster: RayCluster) -> Iterator[OwnRayKind]:
    """The cluster, while no other test uses it, so that it may be broken."""
    with ray_cluster.alone():
        yield OwnRayKind(tmp_path, ray_cluster)


def ask(kind: RayKind, method: str, path: str, **what: Any) -> Any:
    """Ray itself, past suan."""
    answer = httpx.request(method, kind.given.address + path, timeout=30, **what)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def job_of(kind: RayKind, run: str) -> dict[str, Any]:
    """The newest Ray job of a run."""
    jobs = [each for each in ask(kind, "GET", "/api/jobs/") if run in each["submission_id"]]
    return max(jobs, key=lambda each: each["submission_id"])


@asynccontextmanager
async def theirs(kind: RayKind, **takes: Any) -> AsyncIterator[None]:
    """A job of somebody else, which holds something as long as it is there."""
    body = {"entrypoint": "sleep 600", **takes}
    job = ask(kind, "POST", "/api/jobs/", json=body)["submission_id"]
    path = f"/api/jobs/{job}"
    try:
        until(lambda: ask(kind, "GET", path)["status"] == "RUNNING", 60, what="their job")
        yield
    finally:
        ask(kind, "POST", path + "/stop")
        until(lambda: ask(kind, "GET", path)["status"] == "STOPPED", 60, what="its end")


async def node(trial: Trial, name: str) -> NodeStatus:
    everything = await trial.pool.observe(None)
    assert everything.nodes is not None
    return next(each for each in everything.nodes if each.name == name)


@pytest.mark.parametrize("point", ["before_submitting", "submitted"])
async def test_server_killed_while_it_launches(kind: RayKind, point: str) -> None:
    cluster = kind.given
    argv = (str(kind.directory), str(cluster.directory), cluster.address)
    # Others may be breaking the cluster.
    await dies_at(f"ray.{point}", LAUNCH_AND_DIE, *argv, seconds=240)
    await runs_once(kind, found=point != "before_submitting")


@pytest.fixture
async def cut(kind: RayKind) -> AsyncIterator[Proxy]:
    """The line to the dashboard, for a test to break."""
    async with proxy(kind.given.address) as made:
        kind.given = replace(kind.given, address=made.url)
        yield made


async def test_the_answer_to_a_submission_is_lost(kind: RayKind, cut: Proxy) -> None:
    count = kind.directory / "count"
    async with kind.trial() as trial:
        await trial.launch("seen-r1", "true")  # what a run needs has been sent by now
        await trial.end("seen-r1")
        cut.mode = "lose_answer"
        with pytest.raises(PoolError):
            await trial.launch("lost-r1", f"echo x >> {count}")
        cut.mode = "pass"
        if await trial.pool.find(RunId("lost-r1")) is None:
            await trial.launch("lost-r1", f"echo x >> {count}")
        assert (await trial.end("lost-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "x\n"


async def test_a_submission_that_hung_in_the_line_comes_too_late(kind: RayKind, cut: Proxy) -> None:
    count = kind.directory / "count"
    async with kind.trial() as trial:
        cut.stalls = b"POST /api/jobs/ "
        launching = asyncio.create_task(trial.launch("late-r1", f"echo x >> {count}"))
        await until_async(lambda: so(cut.stalled == 1), 60, what="the submission under way")
        launching.cancel()
        await asyncio.gather(launching, return_exceptions=True)
        cut.stalls = b""
        assert await trial.pool.find(RunId("late-r1")) is None
        cut.go_on()  # it arrives now
        await trial.launch("late-r1", f"echo y >> {count}")
        assert (await trial.end("late-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "y\n"


async def so(truth: bool) -> bool:
    return truth


async def test_runs_go_on_while_the_line_is_cut(kind: RayKind, cut: Proxy) -> None:
    gate = kind.directory / "gate"
    script = f"echo before; until test -e {gate}; do sleep 0.1; done; echo after"
    async with kind.trial() as trial:
        await trial.launch("cut-r1", script)
        await trial.output_holds("cut-r1", b"before")
        cut.mode = "cut"
        cut.break_lines()
        with pytest.raises(PoolUnavailable):
            await trial.pool.observe(None)
        with pytest.raises(PoolUnavailable):
            await trial.pool.find(RunId("cut-r1"))
        gate.touch()
        cut.mode = "pass"
        await until_async(lambda: answers(trial), 30, what="the pool's return")
        assert (await trial.end("cut-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("cut-r1") == b"before\nafter\n"


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
async def test_clocks_that_differ_end_nothing_early_or_late(
    kind: RayKind, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    """The server's clock is an hour from that of the cluster."""
    theirs = time.time
    monkeypatch.setattr(time, "time", lambda: theirs() + ahead_s)
    async with kind.trial() as trial:
        await trial.launch("skew-r1", "echo out; exit 3")
        await trial.launch("skew-r2", "echo ready; sleep 600", time_limit=2 * SECOND)
        ref = await trial.launch("skew-r3", "trap 'exit 4' TERM; echo ready; sleep 600 & wait")
        assert (await trial.end("skew-r1")).exit_code == 3
        assert await trial.output("skew-r1") == b"out\n"
        assert (await trial.end("skew-r2")).cause is Cause.TIMED_OUT
        await trial.output_holds("skew-r3", b"ready")
        await trial.pool.cancel(ref, 30 * SECOND)
        assert (await trial.end("skew-r3")).exit_code == 4  # it had its grace
        ended = trial.reports["skew-r1"].ended_at
        assert ended is not None
        assert abs(ended / SECOND - theirs()) < 600  # as the cluster's clock has it


async def test_a_node_that_gives_no_words_holds_up_no_other_run(kind: RayKind, cut: Proxy) -> None:
    async with kind.trial() as trial:
        cut.stalls = b"mute-r1/logs"
        await trial.launch("mute-r1", "true")
        await until_async(lambda: stalled(trial, cut), 60, what="its words asked for")
        await trial.launch("heard-r1", "true")
        assert (await trial.end("heard-r1")).cause is Cause.SUCCEEDED
        assert "mute-r1" not in trial.ends
        cut.go_on()
        assert (await trial.end("mute-r1")).cause is Cause.SUCCEEDED


async def stalled(trial: Trial, cut: Proxy) -> bool:
    await trial.observe()
    return cut.stalled > 0


async def test_a_dashboard_that_hangs_is_told(
    kind: RayKind, cut: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.pools.ray.watching._SILENT_S", 0.5)
    async with kind.trial() as trial:
        await trial.observe()
        cut.stalls = b"GET /api/jobs/ "
        await until_async(lambda: hangs(trial), 60, what="the pool's word")
        cut.go_on()
        await until_async(lambda: answers(trial), 60, what="the pool's return")


async def hangs(trial: Trial) -> bool:
    try:
        await trial.observe()
    except PoolUnavailable as error:
        return "has not answered yet" in str(error)
    return False


async def test_what_was_read_is_kept_when_ray_loses_it(own: OwnRayKind) -> None:
    gate = own.directory / "gate"
    async with own.trial() as trial:
        script = f"echo ready; until [ -e {gate} ]; do sleep 0.1; done"
        await trial.launch("less-r1", script, nodes=(own.given.node(1),))
        await trial.output_holds("less-r1", b"ready")
        logs = own.given.directory / "tmp" / "session_latest" / "logs"
        (written,) = logs.glob(f"suan/{job_of(own, 'less-r1')['submission_id']}/*0.stdout.*")
        written.write_bytes(b"")
        assert await trial.output("less-r1") == b"ready\n"
        gate.touch()
        await trial.end("less-r1")
        assert await trial.output("less-r1") == b"ready\n"


async def test_the_head_dies_and_comes_back(own: OwnRayKind) -> None:
    """Ray forgets its jobs then; what may have run is lost, and is not started again unasked."""
    count = own.directory / "count"
    script = f"echo x >> {count}; echo ready; sleep 600"
    async with own.trial() as earlier:
        await earlier.launch("head-r2", f"echo y >> {count}")
        await earlier.end("head-r2")
    async with own.trial() as trial:
        await trial.launch("head-r1", script, nodes=(own.given.node(2),))
        await trial.output_holds("head-r1", b"ready")
        record = own.home / "pools" / "ray" / "runs" / "head-r2"
        (record / "end.json").unlink()  # as if nobody had heard of its end
        own.given.kill(1)
        with pytest.raises(PoolUnavailable):
            await trial.pool.observe(None)
        with pytest.raises(PoolError):
            await trial.launch("head-r3", "true")
        with pytest.raises(PoolUnavailable):
            await trial.pool.find(RunId("head-r1"))
        own.given.mend()
        await until_async(lambda: answers(trial), 30, what="the pool's return")
        outcome = await trial.end("head-r1")
        assert outcome.cause is Cause.LOST
        assert "head was restarted" in outcome.detail
        assert await trial.output("head-r1") == b"ready\n"
        if await trial.pool.find(RunId("head-r3")) is None:
            await trial.launch("head-r3", "true")
        assert (await trial.end("head-r3")).cause in (Cause.SUCCEEDED, Cause.LOST)
    async with own.trial() as after:
        assert await after.pool.find(RunId("head-r2")) == "head-r2"
        outcome = await after.end("head-r2")
        assert outcome.cause is Cause.LOST
        assert "head was restarted" in outcome.detail
        await after.launch("head-r2", script)  # again, without having asked: nothing starts
        assert (await after.end("head-r2")).cause is Cause.LOST
    assert sorted(count.read_text().split()) == ["x", "y"]


async def answers(trial: Trial) -> bool:
    try:
        await trial.observe()
    except PoolUnavailable:
        return False
    return True


async def test_a_dead_node_means_lost(own: OwnRayKind) -> None:
    nodes = (own.given.node(2), own.given.node(3))
    async with own.trial() as trial:
        await trial.launch("node-r1", "echo ready; sleep 600", nodes=nodes)
        await trial.launch("node-r2", "echo ready; sleep 600", nodes=nodes[1:])
        await trial.output_holds("node-r1", b"ready", task=1)
        await trial.output_holds("node-r2", b"ready")
        own.given.kill(3)
        for run in ("node-r1", "node-r2"):
            outcome = await trial.end(run)
            assert outcome.cause is Cause.LOST, outcome
            assert "died" in outcome.detail
        assert await trial.output("node-r2") == b"ready\n"
        everything = await trial.pool.observe(None)
        assert everything.nodes is not None
        assert {each.name for each in everything.nodes} == {own.given.node(1), nodes[0]}
        assert not groups(own, "node-r1")


def groups(kind: RayKind, run: str) -> list[Any]:
    """The placement groups of a run that hold something, or want to."""
    query = {"detail": "true", "limit": "10000"}
    told = ask(kind, "GET", "/api/v0/placement_groups", params=query)["data"]["result"]["result"]
    return [each for each in told if run in each["name"] and each["state"] != "REMOVED"]


async def test_jobs_of_others_are_respected_and_ours_are_not_counted(own: OwnRayKind) -> None:
    name = own.given.node(2)
    mine = Resources(2000, 1024, ((GPUS, 1500),))
    held = {"entrypoint_num_cpus": 10, "entrypoint_num_gpus": 3, "entrypoint_memory": 1 << 30}
    where = {"entrypoint_resources": {f"node:{name}": 0.001}}
    async with own.trial() as trial, theirs(own, **held, **where):
        ref = await trial.launch("own-r1", "echo ready; sleep 600", nodes=(name,), per_task=mine)
        await trial.output_holds("own-r1", b"ready")

        async def told() -> bool:  # Ray's word on what is in use is up to five seconds old
            found = await node(trial, name)
            assert found.total == Resources(16_000, 65_536, ((GPUS, 8000),))
            return found.others_use == Resources(10_000, 1024, ((GPUS, 3000),))

        await until_async(told, 30, what="their job, and nothing of ours")
        await trial.pool.cancel(ref, 0)
        await trial.end("own-r1")


async def test_what_finds_no_place_is_taken_back_and_holds_nothing(own: OwnRayKind) -> None:
    """Somebody was quicker than the last look at the cluster."""
    own.more = "  patience_s: 8\n"
    name, free = own.given.node(3), own.given.node(2)
    where = {"entrypoint_resources": {f"node:{name}": 0.001}}
    need = Resources(100, 16, ((GPUS, 1000),))
    async with own.trial() as trial, theirs(own, entrypoint_num_gpus=8, **where):
        await trial.launch("late-r1", "echo never", nodes=(name,), per_task=need)
        await trial.launch("late-r2", "echo never", nodes=(free, name), per_task=need)
        await trial.launch("late-r3", "echo never", nodes=(name,), per_task=need)
        await trial.pool.cancel("late-r3", MINUTE)
        one, gang = await trial.end("late-r1"), await trial.end("late-r2")
        assert one.cause is gang.cause is Cause.UNLAUNCHED
        assert "kept it waiting for 8 s" in one.detail
        assert "no place for the whole gang within 8 s" in gang.detail
        assert (await trial.end("late-r3")).cause is Cause.CANCELLED
        assert not groups(own, "late-r2")
        until(lambda: job_of(own, "late-r2")["status"] == "FAILED", 30, what="its driver's end")


async def test_each_task_of_an_uneven_gang_has_devices_of_its_own(kind: RayKind) -> None:
    script = 'echo "$SUAN_TASK_RANK $SUAN_NODE $CUDA_VISIBLE_DEVICES"'
    nodes = (kind.given.node(1), kind.given.node(2), kind.given.node(1))
    need = Resources(1000, 512, ((GPUS, 2000),))
    async with kind.trial() as trial:
        await trial.launch("dev-r1", script, nodes=nodes, per_task=need)
        part = Resources(500, 512, ((GPUS, 250),))
        await trial.launch("dev-r2", script, per_task=part)
        assert (await trial.end("dev-r1")).cause is Cause.SUCCEEDED
        assert (await trial.end("dev-r2")).cause is Cause.SUCCEEDED
        said = [(await trial.output("dev-r1", task=rank)).decode().split() for rank in range(3)]
        alone = (await trial.output("dev-r2")).decode().split()
    assert [(rank, name) for rank, name, _ in said] == [
        (str(rank), name) for rank, name in enumerate(nodes)
    ]
    devices = [set(each.split(",")) for _, _, each in said]
    assert all(len(each) == 2 for each in devices)
    assert not devices[0] & devices[2]
    assert len(alone) == 3
    assert alone[2].isdigit()


async def test_stopped_by_somebody_in_ray(kind: RayKind) -> None:
    script = "trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    async with kind.trial() as trial:
        await trial.launch("ext-r1", script)
        await trial.output_holds("ext-r1", b"ready")
        ask(kind, "POST", f"/api/jobs/{job_of(kind, 'ext-r1')['submission_id']}/stop")
        outcome = await trial.end("ext-r1")
        assert outcome.cause is Cause.CANCELLED
        assert "not by suan" in outcome.detail
        assert await trial.output("ext-r1") == b"ready\nsaved\n"


async def test_ray_keeps_no_secret(kind: RayKind) -> None:
    secret = "hunter2-" * 4
    async with kind.trial() as trial:
        secrets = {"PASSWORD": secret}
        await trial.launch("sec-r1", 'test -n "$PASSWORD"', tasks=2, secrets=secrets)
        assert (await trial.end("sec-r1")).cause is Cause.SUCCEEDED
    for path in ("/api/jobs/", "/api/v0/runtime_envs", "/api/v0/actors?detail=true"):
        assert secret not in json.dumps(ask(kind, "GET", path))
    packages = (kind.given.directory / "tmp" / "session_latest" / "runtime_resources").resolve()
    (parcel,) = packages.rglob(f"*{job_of(kind, 'sec-r1')['submission_id']}.json")
    letter = json.loads(parcel.read_text())["secrets"]
    absent = httpx.get(f"{kind.given.address}/api/packages/gcs/{letter}")
    assert absent.status_code == 404
    for place in (kind.directory, packages, packages.parent / "logs"):
        for path in place.rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path


class Answer(BaseHTTPRequestHandler):
    """What stands at an address and is not the job server that it was taken for."""

    status, body = 200, b"<html>hello</html>"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@asynccontextmanager
async def served(status: int, body: bytes) -> AsyncIterator[str]:
    answer = type("Answer", (Answer,), {"status": status, "body": body})
    with HTTPServer(("127.0.0.1", 0), answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "error", "said", "mend"),
    [
        (200, b"<html>hello</html>", PoolUnavailable, "no Ray dashboard", "8265"),
        (200, b'{"version": "1"}', PoolUnavailable, "no Ray dashboard", "8265"),
        (404, b"404: Not Found", PoolUnavailable, "has no /api/version", "ray[default]"),
        (401, b"Unauthorized: Missing authentication token", PoolAuthError, "token", "token_file"),
        (200, b'{"ray_version": "2.3.1", "session_name": "s"}', PoolRejected, "2.3.1", "upgrade"),
    ],
)
async def test_what_is_no_usable_job_server(
    tmp_path: Path, status: int, body: bytes, error: type[PoolError], said: str, mend: str
) -> None:
    async with served(status, body) as address:
        pool = RayKind(tmp_path, RayCluster(tmp_path, address)).open()
        with pytest.raises(error, match=said) as raised:
            await pool.check()
        assert mend in raised.value.mend
        await pool.close()


async def test_nobody_at_the_address(tmp_path: Path) -> None:
    pool = RayKind(tmp_path, RayCluster(tmp_path, "http://127.0.0.1:9")).open()
    with pytest.raises(PoolUnavailable, match="does not answer") as raised:
        await pool.observe(None)
    assert "8265" in raised.value.mend
    await pool.close()


async def test_check_says_what_there_is(kind: RayKind) -> None:
    async with kind.trial() as trial:
        said = "\n".join(await trial.pool.check())
    assert "Ray 2." in said
    assert "GPU is H100" in said
