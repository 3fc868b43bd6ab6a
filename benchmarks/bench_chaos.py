"""Chaos: 3,000 jobs over a region whose pools and server are killed and cut off for ten minutes.

The region is that of `scripts/region`: two real Slurm clusters and two local pools. Every few
seconds something happens at random: the server, a slurmctld or a slurmd is killed, a slurmctld or a
login node's program is frozen for a while, or a line is broken. All of it comes back, and an
operator takes nodes that Slurm has drained into use again. Each task writes down the start and the
end of its run, so that a job that was lost has no end, one that ran twice has two, and runs of one
job that overlap show. All jobs are submitted at first, by three queues of weights 2, 1 and 1, so
that shares can be told from who held what while all had some left.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import harness
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos import Chaos, living

from suan.control import replay
from suan.core import Scheduler
from suan.store import open_store
from tests.crash.harness import FINAL, all_states

ROOT = Path(__file__).parents[1]
WEIGHTS = {"a": 2, "b": 1, "c": 1}
BATCH = 50
CPUS = 8
PATIENCE_S = 1200.0
ORPHANS_S = 120.0


@dataclass
class Findings:
    """What became of the jobs."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half_gangs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    again: int = 0  # runs beyond each job's first that began its tasks


def a_job(chance: random.Random, queue: str, marks: Path) -> dict[str, object]:
    """Mostly one task, sometimes a gang of two; a second or a few."""
    file = f"{marks}/$SUAN_JOB_ID.$SUAN_TASK_RANK"
    pause = chance.choice((1, 4, 8, 12))
    say = 'echo "$SUAN_RUN_ID {} $(date +%s.%N)" >> ' + f'"{file}"'
    script = f"{say.format('start')}; sleep {pause}; {say.format('end')}"
    return {
        "run": script,
        "name": "chaos",
        "queue": queue,
        "num_nodes": 2 if chance.random() < 0.1 else 1,
        "envs": {"SUAN_CHAOS": str(marks)},
        "resources": [{"cpu_milli": CPUS * 1000, "memory_mib": 64}],
        "retry": {"max_lost": 1000},
    }


class Client:
    """Submits batches, and repeats what was not answered, by its key."""

    def __init__(self, bodies: list[dict[str, object]], chance: random.Random) -> None:
        batches = [bodies[at : at + BATCH] for at in range(0, len(bodies), BATCH)]
        self._left = [(str(uuid.UUID(int=chance.getrandbits(128))), each) for each in batches]
        self.jobs: dict[str, dict[str, object]] = {}

    def step(self, url: str) -> None:
        """Send what is left, as far as the server answers."""
        with httpx.Client(base_url=url, timeout=30) as http:
            while self._left:
                key, batch = self._left[0]
                head = {"Idempotency-Key": key}
                try:
                    answer = http.post("/v1/jobs/batch", json={"jobs": batch}, headers=head)
                except httpx.TransportError:
                    return
                if answer.status_code not in (200, 201):
                    return
                self.jobs.update(zip(answer.json()["jobs"], batch, strict=True))
                self._left.pop(0)


def torment(chaos: Chaos, client: Client, seconds: float) -> None:
    """Break things until the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if chaos.server is not None and chaos.server.process.poll() is None:
            client.step(chaos.server.url)
        chaos.step()
        time.sleep(chaos.random.uniform(1.0, 5.0))
    chaos.mend_all()
    assert chaos.server is not None
    client.step(chaos.server.url)


def settled(chaos: Chaos, url: str, count: int) -> dict[str, str]:
    """The jobs' states, once all are final, or when patience is over."""
    until = time.monotonic() + PATIENCE_S
    with httpx.Client(base_url=url, timeout=60) as http:
        while True:
            states = dict(all_states(http))
            if len(states) >= count and set(states.values()) <= FINAL:
                return states
            if time.monotonic() > until:
                return states
            chaos.operate()
            time.sleep(2.0)


def lines(marks: Path, job: str, rank: int) -> list[tuple[str, str, float]]:
    """What a task wrote of its runs: the run, ``start`` or ``end``, and when."""
    try:
        words = [line.split() for line in (marks / f"{job}.{rank}").read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [(run, what, float(at)) for run, what, at in words]


def judge(client: Client, states: dict[str, str], marks: Path) -> Findings:
    """Hold what the tasks wrote against what was submitted."""
    found = Findings()
    for job, body in client.jobs.items():
        if states.get(job) != "succeeded":
            found.wrong.append(f"{job}: {states.get(job)}")
        told = [lines(marks, job, rank) for rank in range(int(str(body["num_nodes"])))]
        ends = [[run for run, what, _ in task if what == "end"] for task in told]
        if any(len(each) > 1 for each in ends) or any(map(overlap, told)):
            found.doubled.append(f"{job}: {told}")
        elif not any(ends):
            found.lost.append(job)
        elif not all(ends):
            found.half_gangs.append(f"{job}: {told}")
        found.again += len({run for task in told for run, _, _ in task}) - 1
    return found


def overlap(task: list[tuple[str, str, float]]) -> bool:
    """Whether a run began twice, or one began before the end that another wrote later."""
    begun = Counter(run for run, what, _ in task if what == "start")
    last = max((at for _, what, at in task if what == "start"), default=0.0)
    early = any(what == "end" and at > last and run != task[-1][0] for run, what, at in task)
    return any(times > 1 for times in begun.values()) or early


def orphans(folder: Path, marks: Path) -> list[str]:
    """What still runs, or is held for, jobs that have all ended; it has two minutes to end."""
    until = time.monotonic() + ORPHANS_S
    while (found := left(folder, marks)) and time.monotonic() < until:
        time.sleep(2.0)
    return found


def left(folder: Path, marks: Path) -> list[str]:
    """Processes of jobs, and what Slurm holds for them, right now."""
    found = [f"process {pid}" for pid in living(f"SUAN_CHAOS={marks}")]
    for conf in sorted(folder.glob("*/c1/slurm.conf")):
        env = {**os.environ, "SLURM_CONF": str(conf)}
        argv = ["squeue", "-h", "-t", "PD,R,S,CF,CG", "-o", "%A %j %T"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
        found += [f"{conf.parent.parent.name}: {line}" for line in done.stdout.splitlines()]
    return found


def shares(client: Client, marks: Path) -> dict[str, float]:
    """Each queue's part of all that was held until the first queue had no job left to start."""
    spans: dict[str, list[tuple[float, float]]] = {queue: [] for queue in WEIGHTS}
    for job, body in client.jobs.items():
        for rank in range(int(str(body["num_nodes"]))):
            began = {run: at for run, what, at in lines(marks, job, rank) if what == "start"}
            for run, what, at in lines(marks, job, rank):
                if what == "end" and run in began:
                    spans[str(body["queue"])].append((began[run], at))
    until = min(max(start for start, _ in each) for each in spans.values() if each)
    held = {
        queue: sum(max(0.0, min(end, until) - start) for start, end in each)
        for queue, each in spans.items()
    }
    return {queue: seconds / sum(held.values()) for queue, seconds in held.items()}


async def replayed(home: Path) -> tuple[int, int]:
    """Plans of the journal, and how many come out otherwise."""
    store = await open_store(f"sqlite:///{home}/suan.db", create=False)
    try:
        report = await replay(store, Scheduler)
    finally:
        await store.close()
    return report.plans, report.mismatched


def region(verb: str, folder: Path, *kinds: str) -> None:
    """Have `scripts/region` start or end one."""
    argv = [sys.executable, ROOT / "scripts" / "region", verb, folder, *kinds]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def run(folder: Path, jobs: int, seconds: float) -> None:
    """The whole of it, and its table."""
    chance = random.Random(7)
    region("up", folder, "slurm", "local")
    home, marks = folder / "home", folder / "marks"
    suan = [ROOT / ".venv" / "bin" / "suan", "down"]
    subprocess.run(suan, env={**os.environ, "SUAN_HOME": str(home)}, check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    marks.mkdir()
    clusters = sorted(conf.parent for conf in folder.glob("*/c1/slurm.conf"))
    chaos = Chaos(home, clusters, chance)
    queues = [queue for queue in WEIGHTS for _ in range(jobs // len(WEIGHTS))]
    chance.shuffle(queues)
    client = Client([a_job(chance, queue, marks) for queue in queues], chance)
    began = time.monotonic()
    try:
        chaos.start()
        assert chaos.server is not None
        for queue, weight in WEIGHTS.items():
            httpx.put(f"{chaos.server.url}/v1/queues/{queue}", json={"weight": weight})
        torment(chaos, client, seconds)
        states = settled(chaos, chaos.server.url, len(queues))
        told(chaos, client, states, marks=marks, minutes=(time.monotonic() - began) / 60)
    finally:
        chaos.mend_all()
        chaos.server.stop()
        region("down", folder)


def told(
    chaos: Chaos, client: Client, states: dict[str, str], *, marks: Path, minutes: float
) -> None:
    """Judge, print, and exit with an error if something is wrong."""
    found = judge(client, states, marks)
    found.orphans = orphans(marks.parent, marks)
    plans, differ = asyncio.run(replayed(chaos.home))
    rows = [(what, times) for what, times in sorted(chaos.done.items())]
    print(harness.table(("what was done to the region", "times"), rows), end="\n\n")
    figures = [
        ("jobs", len(client.jobs)),
        ("minutes until all had ended", f"{minutes:.1f}"),
        ("lost", len(found.lost)),
        ("run twice", len(found.doubled)),
        ("half gangs", len(found.half_gangs)),
        ("not succeeded", len(found.wrong)),
        ("orphans left", len(found.orphans)),
        ("runs begun again after one was lost", found.again),
        ("plans replayed", f"{plans:,}"),
        ("plans that differ", differ),
    ]
    parts = shares(client, marks)
    due = {queue: weight / sum(WEIGHTS.values()) for queue, weight in WEIGHTS.items()}
    figures += [
        (f"share of queue {queue}, {100 * due[queue]:.0f} % due", f"{100 * parts[queue]:.1f} %")
        for queue in WEIGHTS
    ]
    print(harness.table(("", "figure"), figures))
    wrong = (found.lost, found.doubled, found.half_gangs, found.wrong, found.orphans)
    for each in filter(None, wrong):
        print(each[:5], file=sys.stderr)
    if any(wrong) or differ:
        sys.exit("something was lost, run twice, left behind, or decided otherwise")


def main() -> None:
    jobs, seconds = (240, 45.0) if harness.quick() else (3000, 600.0)
    with tempfile.TemporaryDirectory(prefix="suan-chaos-") as name:
        run(Path(name) / "r", jobs, seconds)


if __name__ == "__main__":
    main()
