"""Kill a server over and over while it works, then count what every job did.

Each task of each job appends one line to a file of its own, so a lost job leaves no file and a
job that ran twice leaves two lines. The server is killed at the named points of
``suan.killpoints`` and at random moments; clients repeat a submission whose answer they did not
get, with its idempotency key, as the SDK does.
"""

import random
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from suan.content import manifest
from suan.content.cache import Cache
from suan.content.manifest import Entry
from suan.killpoints import NAMES
from suan.model.spec import CONTENT
from tests.servers import RunningServer, ServerDied, start_server

LEASE = {"SUAN_LEASE_SECONDS": "1"}  # the dead one's lease must run out before each round
FINAL = {"succeeded", "failed", "cancelled", "skipped"}


@dataclass(frozen=True)
class Expectation:
    """What one acknowledged job must have left behind."""

    job: str
    tasks: int
    cancelled: bool  # a cancel was sent: it may have run once, or not at all


@dataclass
class Tally:
    """The figures of a whole test."""

    rounds: int = 0
    deaths: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half_gangs: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    wrong_state: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (
            self.lost or self.doubled or self.half_gangs or self.unfinished or self.wrong_state
        )


class CrashTest:
    """One home, one store, many deaths. Everything random comes from ``seed``."""

    def __init__(self, home: Path, *, store_url: str | None, seed: int) -> None:
        self.home = home
        self.marks = home / "marks"
        self.marks.mkdir(parents=True)
        self.random = random.Random(seed)
        self.arguments = ["--store", store_url] if store_url else []
        self.expected: dict[str, Expectation] = {}
        self.unacknowledged: list[tuple[str, dict[str, object]]] = []
        self.tally = Tally()

    def run(self, plan: Sequence[str | None], *, jobs_per_round: int) -> Tally:
        """One round for each entry: a kill point's name (perhaps ``:N``), or None for random."""
        started = time.monotonic()
        for point in plan:
            self.round(point, jobs_per_round)
            self.tally.rounds += 1
        self.settle()
        self.count()
        self.tally.seconds = time.monotonic() - started
        return self.tally

    def round(self, point: str | None, jobs: int) -> None:
        """Start a server that will die, give it work, and see it dead."""
        environ = {**LEASE, **({"SUAN_KILL_AT": point} if point else {})}
        server = start_server(self.home, *self.arguments, environ=environ)
        patience = time.monotonic() + (6.0 if point else self.random.uniform(0.8, 2.5))
        try:
            server.wait_ready()
            self.work(server, jobs)
            died_by_itself = died_within(server, patience - time.monotonic())
        except (ServerDied, httpx.TransportError):
            died_by_itself = died_within(server, 2.0)  # a cut connection is ahead of the reaping
        server.kill()
        self.tally.deaths[point if point and died_by_itself else "at random"] += 1

    def work(self, server: RunningServer, jobs: int) -> None:
        """Submit, repeat what was not acknowledged, cancel a few."""
        with httpx.Client(base_url=server.url, timeout=10) as http:
            self.repeat(http)
            for _ in range(jobs):
                self.submit(http, self.key(), self.job())
            self.cancel_one(http)

    def cancel_one(self, http: httpx.Client) -> None:
        """Cancel a job that would sleep for long, most times when it has begun."""
        job = self.submit(http, self.key(), self.job(pause="sleep 60; "))
        deadline = time.monotonic() + self.random.choice([0, 2, 2])
        while time.monotonic() < deadline:
            if http.get(f"/v1/jobs/{job}").json()["job"]["state"] != "pending":
                break
            time.sleep(0.02)  # a poll with a deadline
        # noted first: without an answer it may still have been taken
        self.expected[job] = replace(self.expected[job], cancelled=True)
        http.post(f"/v1/jobs/{job}/cancel")

    def key(self) -> str:
        """A fresh idempotency key."""
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def job(self, pause: str | None = None) -> dict[str, object]:
        """A job that appends a line to its own file: mostly alone, sometimes a gang of two; a few
        bring a file that none before has brought."""
        nodes = 2 if self.random.random() < 0.15 else 1
        if pause is None:
            pause = self.random.choice(["", "sleep 0.05; ", "sleep 0.3; "])
        script = f'{pause}echo x >> "{self.marks}/$SUAN_JOB_ID.$SUAN_TASK_RANK"'
        brings = {"workdir": self.bring()} if self.random.random() < 0.15 else {}
        return {
            "run": f"test -s brought && {script}" if brings else script,
            "name": "crash",
            **brings,
            "num_nodes": nodes,
            "resources": [{"cpu_milli": 50, "memory_mib": None}],
        }

    def bring(self) -> str:
        """Leave a folder with one file where the server keeps what is sent to it; its digest, as a
        job names it."""
        data = self.random.randbytes(100)
        listed = manifest.encode([Entry("brought", digest=manifest.digest_of(data), size=100)])
        cache = Cache(str(self.home / "content"))
        for each in (data, listed):
            cache.put(manifest.digest_of(each), 0, each, size=len(each))
        return CONTENT + manifest.digest_of(listed)

    def submit(self, http: httpx.Client, key: str, body: dict[str, object]) -> str:
        """Submit once; the job's id. Without an answer, remember to repeat with the same key."""
        self.unacknowledged.append((key, body))
        answer = http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
        if answer.status_code not in (200, 201):
            raise AssertionError(f"submit answered {answer.status_code}: {answer.text}")
        self.unacknowledged.pop()
        job = str(answer.json()["jobs"][0])
        self.expected[job] = Expectation(job, int(str(body["num_nodes"])), cancelled=False)
        return job

    def repeat(self, http: httpx.Client) -> None:
        """Repeat what was sent and not acknowledged."""
        again, self.unacknowledged = self.unacknowledged, []
        for index, (key, body) in enumerate(again):
            try:
                self.submit(http, key, body)
            except httpx.TransportError:
                self.unacknowledged.extend(again[index + 1 :])
                raise

    def settle(self, patience: float = 120.0) -> None:
        """A server that does not die: every job must come to its end."""
        server = start_server(self.home, *self.arguments, environ=LEASE)
        server.wait_ready()
        try:
            with httpx.Client(base_url=server.url, timeout=30) as http:
                self.repeat(http)
                deadline = time.monotonic() + patience
                while time.monotonic() < deadline and unfinished(http):
                    time.sleep(0.1)  # a poll with a deadline
                self.judge_states(http)
        finally:
            server.stop()

    def judge_states(self, http: httpx.Client) -> None:
        states = dict(all_states(http))
        for job, expectation in self.expected.items():
            state = states.get(job, "absent")
            if state not in FINAL:
                self.tally.unfinished.append(f"{job}: {state}")
            elif state != "succeeded" and not (expectation.cancelled and state == "cancelled"):
                self.tally.wrong_state.append(f"{job}: {state}")

    def count(self) -> None:
        """Each task's file holds exactly one line; a cancelled job's at most one."""
        self.tally.jobs = len(self.expected)
        for job, expectation in self.expected.items():
            lines = [self.lines(job, rank) for rank in range(expectation.tasks)]
            if max(lines) > 1:
                self.tally.doubled.append(f"{job}: {lines}")
            elif expectation.cancelled:
                continue
            elif max(lines) == 0:
                self.tally.lost.append(job)
            elif min(lines) == 0:
                self.tally.half_gangs.append(f"{job}: {lines}")

    def lines(self, job: str, rank: int) -> int:
        try:
            return (self.marks / f"{job}.{rank}").read_text().count("\n")
        except FileNotFoundError:
            return 0


def died_within(server: RunningServer, seconds: float) -> bool:
    """Whether the server ends of itself in time."""
    try:
        server.process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def unfinished(http: httpx.Client) -> int:
    """How many jobs have not come to an end."""
    counts = http.get("/v1/jobs/counts").json()
    return sum(number for state, number in counts.items() if state not in FINAL)


def all_states(http: httpx.Client) -> Iterator[tuple[str, str]]:
    """Every job's id and state."""
    cursor: str | None = ""
    while cursor is not None:
        page = http.get(
            "/v1/jobs", params={"limit": 1000, **({"cursor": cursor} if cursor else {})}
        ).json()
        yield from ((job["id"], job["state"]) for job in page["jobs"])
        cursor = page["next_cursor"]


def schedule(rounds: int, seed: int) -> list[str | None]:
    """Each kill point in turn, at its first or a later passage, and a random kill between."""
    chance = random.Random(seed)
    points = sorted(NAMES)
    plan: list[str | None] = []
    for index in range(rounds):
        if index % 4 == 3:
            plan.append(None)
        else:
            point = points[len([p for p in plan if p]) % len(points)]
            later = 1 if point.startswith("takeover") else chance.choice([1, 1, 2, 5, 9])
            plan.append(f"{point}:{later}")
    return plan
