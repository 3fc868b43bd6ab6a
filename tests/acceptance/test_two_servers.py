"""Two servers on one store and one home: one leads, the other serves, and takes over."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import RunningServer, registered, start_server, suan
from tests.waiting import until

TAKEOVER_S = 10.0  # promised, with the lease's length left as it is


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def pair(tmp_path: Path, store: str) -> Iterator[tuple[RunningServer, RunningServer]]:
    """The leader, and a server that stands by."""
    home = tmp_path / "home"
    with joined(home, store) as leader:
        until(lambda: about(leader)["leading"], 30)
        with joined(home, store) as follower:
            until(lambda: about(follower)["leader_url"] == leader.url, 30)
            yield leader, follower


@contextmanager
def joined(home: Path, store: str) -> Iterator[RunningServer]:
    """A server that answers at a port of its own, stopped at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = start_server(home, "--store", store, "--port", str(port))
    started.url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: ended(started) or suan(started, "status").returncode == 0, 60)
        assert not ended(started), started.log
        yield started
    finally:
        if not ended(started):
            started.stop()


def ended(server: RunningServer) -> bool:
    return server.process.poll() is not None


def about(server: RunningServer) -> dict:
    """What a server says of itself."""
    done = suan(server, "status", "--json")
    view: dict = json.loads(done.stdout)["server"] if done.returncode == 0 else {"leading": False}
    return view


def test_one_leads_and_the_other_serves_and_takes_over(
    pair: tuple[RunningServer, RunningServer], tmp_path: Path
) -> None:
    leader, follower = pair
    served_alike(leader, follower)

    marks, gate = tmp_path / "marks", tmp_path / "gate"
    marks.mkdir()
    mark = f"echo x >> {marks}/$SUAN_JOB_ID"
    held = f"{mark}; echo before; until test -e {gate}; do sleep 0.05; done; echo after"
    long = suan(follower, "submit", "--cpus", "0.1", "--", held).stdout.strip()
    until(lambda: suan(follower, "logs", long).stdout == "before\n", 30)
    array = suan(follower, "submit", "--array", "0-29", "--cpus", "0.1", "--", mark).stdout.strip()

    leader.kill()
    killed = time.monotonic()
    meanwhile = suan(follower, "submit", "--cpus", "0.1", "--", mark)
    assert meanwhile.returncode == 0, meanwhile.stderr
    until(lambda: about(follower)["leading"], 60)
    assert time.monotonic() - killed < TAKEOVER_S
    gate.touch()

    assert suan(follower, "logs", "-f", long).stdout == "before\nafter\n"
    made = [long, *(f"{array}-{index}" for index in range(30)), meanwhile.stdout.strip()]
    until(lambda: unfinished(follower) == 0, 60)
    for job in made:
        assert (marks / job).read_text() == "x\n"
    counts = {state: count for state, count in about(follower)["jobs"].items() if count}
    assert counts == {"succeeded": len(made), "failed": 1, "cancelled": 1}
    until(lambda: (registered(follower.home) or {})["url"] == follower.url, 30)
    replayed = json.loads(suan(follower, "replay", "--store", store_of(follower), "--json").stdout)
    assert (replayed["identical"], replayed["terms"]) == (True, 2)


def served_alike(leader: RunningServer, follower: RunningServer) -> None:
    """Everything that a follower is asked is answered as the leader would."""
    ran = suan(follower, "run", "--", "echo through; exit 3")
    assert (ran.returncode, ran.stdout) == (3, "through\n")
    for arguments in (("pool", "list", "--json"), ("plan", "--json", "--gpus", "9", "--", "true")):
        mine, theirs = suan(follower, *arguments), suan(leader, *arguments)
        assert mine.returncode == 0, mine.stderr
        assert shape(json.loads(mine.stdout)) == shape(json.loads(theirs.stdout))
    job = suan(follower, "submit", "--gpus", "9", "--", "true").stdout.strip()
    until(lambda: "no_such_accelerator" in suan(follower, "why", job).stdout, 30)
    assert suan(follower, "cancel", job).returncode == 0
    until(lambda: '"cancelled"' in suan(leader, "show", job, "--json").stdout, 30)
    (pool,) = json.loads(suan(follower, "pool", "list", "--json").stdout)["pools"]
    assert suan(follower, "pool", "drain", pool["name"]).returncode == 0
    until(lambda: "drained" in suan(leader, "pool", "list").stdout.split(), 30)
    assert suan(follower, "pool", "undrain", pool["name"]).returncode == 0
    until(lambda: "ready" in suan(leader, "pool", "list").stdout.split(), 30)
    assert about(leader)["leading"]
    assert not about(follower)["leading"]
    assert "standing by" in suan(follower, "status").stdout


def shape(value: object) -> object:
    """An answer without its times."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k not in ("observed_at", "earliest")}
    return [shape(each) for each in value] if isinstance(value, list) else value


def unfinished(server: RunningServer) -> int:
    """How many jobs wait or run."""
    jobs = about(server)["jobs"]
    return int(jobs["pending"] + jobs["running"])


def store_of(server: RunningServer) -> str:
    """The store's URL, as the server was given it."""
    arguments = [str(argument) for argument in server.process.args]  # type: ignore[union-attr]
    return arguments[arguments.index("--store") + 1]


def test_a_leader_that_stops_hands_over_at_once(
    pair: tuple[RunningServer, RunningServer],
) -> None:
    leader, follower = pair
    assert leader.stop() == 0
    until(lambda: (registered(follower.home) or {}).get("url") == follower.url, 30)
    until(lambda: about(follower)["leading"], 30)
    assert suan(follower, "run", "--", "echo", "on").stdout == "on\n"
