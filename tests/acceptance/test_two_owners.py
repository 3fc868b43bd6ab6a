"""Two owners, each with a suan of his own: one queue over what is ours and what they offer."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.peers import declared, keep_secret
from tests.servers import RunningServer, server, suan
from tests.waiting import until

THEIRS = """pools:
- name: lab
  nodes: [{count: 2, cpus: 2, memory: 8GB}]
  prices: {currency: CNY, cpu_hour: 1}
"""
OURS = """pools:
- name: here
  nodes: [{cpus: 1, memory: 2GB}]
"""


class Owner:
    """One owner: his home, his address, which stays his, and his server while it runs."""

    def __init__(self, home: Path, pools: str) -> None:
        home.mkdir()
        self.home = home
        self.file = home / "pools.yaml"
        self.file.write_text(pools)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.running: RunningServer | None = None

    @contextmanager
    def serving(self) -> Iterator["Owner"]:
        """With his server running, until the end of the block."""
        with server(self.home, "--port", str(self.port)) as self.running:
            until(self._ready, 60, what="a leader that sees its pools")
            yield self

    def _ready(self) -> bool:
        assert self.running is not None
        done = suan(self.running, "pool", "list", "--json")
        if done.returncode != 0:  # the lease of who was killed has not ended
            return False
        return all(pool["available"] for pool in json.loads(done.stdout)["pools"])

    def says(self, *arguments: str, code: int = 0) -> str:
        """What a command says that must end with ``code``."""
        assert self.running is not None
        done = suan(self.running, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout.strip()

    def json(self, *arguments: str) -> dict:
        found: dict = json.loads(self.says(*arguments, "--json"))
        return found

    def offers(self, peer: "Owner", name: str, pool: str, *options: str) -> str:
        """Offer another owner a pool; the entry by which he has it, as ``name``."""
        made = self.json("peer", "offer", "them", pool, *options)
        kept = peer.home / "secret"
        if made["secret"]:
            keep_secret(kept, made["secret"])
        return declared(name, self.url, made["token"], kept, f"pool: {pool}")

    def job(self, job: str) -> dict:
        return self.json("show", job)

    def nodes(self, pool: str) -> list[dict]:
        found: list[dict] = self.json("pool", "show", pool)["node_list"]
        return found

    def state(self, job: str) -> str:
        return str(self.job(job)["job"]["state"])

    def until_ended(self, *jobs: str) -> list[dict]:
        """The jobs, each with its runs, once they have ended."""
        final = ("succeeded", "failed", "cancelled", "skipped")
        for job in jobs:
            until(lambda job=job: self.state(job) in final, 90, what=f"the end of {job}")
        return [self.job(job) for job in jobs]


@pytest.fixture
def they(tmp_path: Path) -> Iterator[Owner]:
    with Owner(tmp_path / "they", THEIRS).serving() as found:
        yield found


@pytest.fixture
def we(tmp_path: Path, they: Owner) -> Iterator[Owner]:
    """With what they offer as a second pool."""
    found = Owner(tmp_path / "we", OURS)
    entry = they.offers(found, "theirs", "lab", "--priority", "-5")
    found.file.write_text(OURS + entry)
    with found.serving():
        yield found


def test_one_queue_over_ours_and_theirs(we: Owner, they: Owner, tmp_path: Path) -> None:
    assert "it offers us lab: open" in we.says("pool", "check", "theirs", "--home", str(we.home))
    shown = we.says("pool", "show", "theirs")
    assert "2c-8g-1" in shown
    assert "lab-1" not in shown  # as their hosts are called
    assert we.says("run", "--infra", "theirs", "--", "echo there; exit 3", code=3) == "there"

    marks = tmp_path / "marks"
    marks.mkdir()
    script = f"echo $SUAN_JOB_ID >> {marks}/$SUAN_JOB_ID; sleep 0.5"
    array = we.says("submit", "--cpus", "1", "--array", "0-11", "--", script)
    ended = we.until_ended(*(f"{array}-{index}" for index in range(12)))
    assert {each["job"]["state"] for each in ended} == {"succeeded"}
    assert {each["job"]["pool"] for each in ended} == {"here", "theirs"}
    for each in ended:
        assert (marks / each["job"]["id"]).read_text() == each["job"]["id"] + "\n"
    billed = [each["bill"] for each in ended if each["job"]["pool"] == "theirs"]
    assert all(bill["money"] > 0 for bill in billed)

    theirs = they.json("queue", "--all", "--user", "peer.them")["jobs"]
    assert len(theirs) == 1 + len(billed)
    assert {job["tenant"] for job in theirs} == {"peers/them/lab"}
    assert {job["priority"] for job in theirs} == {-5}
    [peer] = they.json("peer", "list")["peers"]
    assert [(offer["pool"], offer["runs"]) for offer in peer["offers"]] == [("lab", 0)]


def test_the_owner_keeps_the_last_word(we: Owner, they: Owner, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"echo began; until test -e {gate}; do sleep 0.05; done; echo went on"
    job = we.says("submit", "--infra", "theirs", "--cpus", "1", "--", script)
    until(lambda: we.says("logs", job) == "began", 60, what="its start")
    [mirrored] = they.json("queue", "--user", "peer.them")["jobs"]
    they.says("cancel", mirrored["id"])
    until(lambda: we.job(job)["job"]["attempts"] == 2, 60, what="its second run")
    assert we.job(job)["runs"][0]["cause"] == "preempted"
    until(lambda: we.state(job) == "running", 60)
    gate.touch()
    [done] = we.until_ended(job)
    assert (done["job"]["state"], done["runs"][1]["cause"]) == ("succeeded", "succeeded")

    they.says("pool", "drain", "lab")
    until(lambda: not any(node["schedulable"] for node in we.nodes("theirs")), 60)
    waiting = we.says("submit", "--infra", "theirs", "--", "true")
    until(lambda: "no_capacity" in we.says("why", waiting), 60, what="the reason")
    they.says("pool", "undrain", "lab")
    assert we.until_ended(waiting)[0]["job"]["state"] == "succeeded"

    said = they.says("peer", "revoke", "them", "lab")
    assert said == "lab is no longer offered to them; runs that this ends: 0"
    until(lambda: not we.nodes("theirs"), 60)
    late = we.says("submit", "--infra", "theirs", "--", "true")
    until(lambda: "theirs" in we.says("why", late), 60)
    assert we.state(late) == "pending"


def test_both_servers_die_and_nothing_runs_twice(tmp_path: Path) -> None:
    they, we = Owner(tmp_path / "they", THEIRS), Owner(tmp_path / "we", OURS)
    count = tmp_path / "count"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo x >> {count}; cat {fifo}"
    with ExitStack() as first:
        first.enter_context(they.serving())
        we.file.write_text(OURS + they.offers(we, "theirs", "lab"))
        first.enter_context(we.serving())
        job = we.says("submit", "--infra", "theirs", "--", script)
        until(count.exists, 60, what="its start")
        for owner in (we, they):
            assert owner.running is not None
            owner.running.kill()
    with they.serving(), we.serving():
        assert we.state(job) == "running"
        fifo.write_text("went on\n")
        [done] = we.until_ended(job)
        assert (done["job"]["state"], done["job"]["attempts"]) == ("succeeded", 1)
        assert we.says("logs", job) == "went on"
    assert count.read_text() == "x\n"


def test_a_job_that_would_go_in_a_circle_is_refused_in_words(tmp_path: Path) -> None:
    """We offer them what they offer us, and have that again as a pool."""
    they, we = Owner(tmp_path / "they", THEIRS), Owner(tmp_path / "we", OURS)
    with they.serving():
        there = they.offers(we, "there", "lab")
    we.file.write_text(OURS + there)
    with they.serving(), we.serving():
        back = we.offers(they, "back", "there")
    they.file.write_text(THEIRS + back)
    with ExitStack() as both:
        they.running = both.enter_context(server(they.home, "--port", str(they.port)))
        with we.serving():
            until(lambda: all(p["available"] for p in they.json("pool", "list")["pools"]), 60)
            circle = they.offers(we, "circle", "back")
        we.file.write_text(OURS + there + circle)
        with we.serving():
            job = we.says("submit", "--infra", "circle", "--", "true")
            [done] = we.until_ended(job)
            assert done["job"]["state"] == "failed"
            assert "round in a circle" in json.dumps(done)
            fine = we.says("run", "--infra", "there", "--", "echo fine")
            assert fine == "fine"
