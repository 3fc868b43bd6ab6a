"""Chaos: 3,000 jobs over a region whose pools and server are killed and cut off for ten minutes.

The region is that of `scripts/region`: two real Slurm clusters, a Kubernetes cluster, a Ray cluster
and two local pools, those of them that can be had. Every few seconds something happens at random:
the server is killed or frozen; daemons, nodes and heads of clusters are killed, frozen or cut off;
lines to login nodes and to API servers break or stand still. All of it comes back, and an operator
takes nodes that Slurm has drained into use again. Each task writes down the start and the end of
its run, so that a job that was lost has no end, one that ran twice has two, and runs of one job
that overlap show. All jobs are submitted at first, by three queues of weights 2, 1 and 1, and ask
for two accelerators of any model. While a queue has jobs that have not started, it demands more
than its part: of what all such queues held in that time, it was due the part of its weight. What
counts is what its runs held, from being placed until their end, in whatever state their pool was.
The scheduler counts what runs for five minutes ahead. So over less than that nothing is judged; and
over more one queue may come to be ahead of another by the part of one job for those five minutes:
what is beyond is a fault.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import harness
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from breakable import Part, Wires, kubernetes, local, ray, slurm
from chaos import Chaos, end_all, living

from suan.control import replay
from suan.core import Scheduler
from suan.core.shares import AHEAD
from suan.model.units import SECOND
from suan.store import open_store
from tests.crash.harness import FINAL
from tests.kubernetes import kubectl
from tests.ray import up as ray_up

ROOT = Path(__file__).parents[1]
WEIGHTS = {"a": 2, "b": 1, "c": 1}
BATCH = 50
TWO = 2000
NEEDS = {"cpu_milli": 250, "memory_mib": 128, "accelerators": {"*": TWO}}
PATIENCE_S = 600.0
ORPHANS_S = 120.0
UNTOLD_S = 30.0  # what a busy node may take to tell of an end, its API server frozen or cut off
AHEAD_S = AHEAD / SECOND  # what runs counts for so long ahead, and evens out over no less


@dataclass
class Findings:
    """What became of the jobs."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half_gangs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)  # ended, lost with their node before it told
    again: int = 0  # runs beyond each job's first that began its tasks


def a_job(chance: random.Random, queue: str, marks: Path) -> dict[str, object]:
    """Mostly one task, sometimes a gang of two; a second or a few."""
    file = f"{marks}/$SUAN_JOB_ID.$SUAN_TASK_RANK"
    pause = chance.choice((1, 3, 6, 10))
    say = 'echo "$SUAN_RUN_ID {} $(date +%s.%N)" >> ' + f'"{file}"'
    script = f"{say.format('start')}; sleep {pause}; {say.format('end')}"
    return {
        "run": script,
        "name": "chaos",
        "queue": queue,
        "num_nodes": 2 if chance.random() < 0.1 else 1,
        "envs": {"SUAN_CHAOS": str(marks)},
        "resources": [NEEDS],
        "retry": {"max_lost": 1000},
    }


class Client:
    """Submits batches, and repeats what was not answered, by its key."""

    def __init__(self, bodies: list[dict[str, object]], chance: random.Random) -> None:
        batches = [bodies[at : at + BATCH] for at in range(0, len(bodies), BATCH)]
        self._batches = [(str(uuid.UUID(int=chance.getrandbits(128))), each) for each in batches]
        self.jobs: dict[str, dict[str, object]] = {}
        self.count = len(bodies)

    def step(self, url: str) -> None:
        """Send what is left, as far as the server answers."""
        with httpx.Client(base_url=url, timeout=30) as http:
            while self._batches:
                key, batch = self._batches[0]
                head = {"Idempotency-Key": key}
                try:
                    answer = http.post("/v1/jobs/batch", json={"jobs": batch}, headers=head)
                except httpx.TransportError:
                    return
                if answer.status_code not in (200, 201):
                    return
                self.jobs.update(zip(answer.json()["jobs"], batch, strict=True))
                self._batches.pop(0)


def torment(chaos: Chaos, client: Client, seconds: float) -> None:
    """Break things until the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if chaos.server is not None and chaos.reachable():
            client.step(chaos.server.url)
        chaos.step()
        time.sleep(chaos.random.uniform(1.0, 5.0))
    chaos.mend_all()
    assert chaos.server is not None
    client.step(chaos.server.url)


def all_jobs(http: httpx.Client) -> Iterator[dict[str, object]]:
    """Every job, as the server lists it."""
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": 1000, **({"cursor": cursor} if cursor else {})}
        page = http.get("/v1/jobs", params=asked).json()
        yield from page["jobs"]
        cursor = page["next_cursor"]


def settled(chaos: Chaos, url: str, count: int) -> dict[str, str]:
    """The jobs' states, once all are final, or when patience is over."""
    until = time.monotonic() + PATIENCE_S
    with httpx.Client(base_url=url, timeout=60) as http:
        while True:
            states = {str(job["id"]): str(job["state"]) for job in all_jobs(http)}
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


def excuse(found: Findings, marks: Path, chaos: Chaos) -> None:
    """Tell apart what ended just before its node was killed, which could tell nobody any more: that
    run is lost, and its job is run again, as its ``max_lost`` says."""
    assert chaos.server is not None
    for said in list(found.doubled):
        job = said.partition(":")[0]
        runs = httpx.get(f"{chaos.server.url}/v1/jobs/{job}", timeout=60).json()["runs"]
        lost = {run["id"] for run in runs if run["cause"] == "lost"}
        task = [line for file in sorted(marks.glob(f"{job}.*"))
                for line in lines(marks, job, int(file.suffix[1:]))]  # fmt: skip
        ends = {run: at for run, what, at in task if what == "end"}
        untold = {run: at for run, at in ends.items() if run in lost}
        struck = all(any(at - UNTOLD_S < when < at + UNTOLD_S for when in chaos.ended)
                     for at in untold.values())  # fmt: skip
        if struck and len(ends) - len(untold) == 1 and not overlaps(marks, job):
            found.doubled.remove(said)
            found.unseen.append(said)
        else:
            explain(chaos.server.url, said)


def explain(url: str, said: str) -> None:
    """Tell each run of a job of which something is wrong: its name comes first in ``said``."""
    job = said.partition(":")[0]
    runs = httpx.get(f"{url}/v1/jobs/{job}", timeout=60).json()["runs"]
    where = [(run["pool"], run["id"], run["cause"], run.get("detail")) for run in runs]
    print(f"{said}\n  {where}", file=sys.stderr, flush=True)


def overlaps(marks: Path, job: str) -> bool:
    """Whether two runs of a job were under way at once."""
    ranks = [int(file.suffix[1:]) for file in marks.glob(f"{job}.*")]
    return any(overlap(lines(marks, job, rank)) for rank in ranks)


def overlap(task: list[tuple[str, str, float]]) -> bool:
    """Whether a run began twice, or one began between the start and the end of another."""
    starts = [(run, at) for run, what, at in task if what == "start"]
    began = dict(starts)
    both = any(
        run != other and began.get(run, at) < when < at
        for run, what, at in task
        if what == "end"
        for other, when in starts
    )
    return both or len(began) < len(starts)


def orphans(folder: Path, marks: Path) -> list[str]:
    """What still runs, or is held for, jobs that have all ended; it has two minutes to end."""
    until = time.monotonic() + ORPHANS_S
    while (found := left(folder, marks)) and time.monotonic() < until:
        time.sleep(2.0)
    return found


def left(folder: Path, marks: Path) -> list[str]:
    """Processes of jobs, and what the clusters hold for them, right now."""
    found = [f"process {pid}" for pid in living(f"SUAN_CHAOS={marks}")]
    for conf in sorted(folder.glob("*/c1/slurm.conf")):
        env = {**os.environ, "SLURM_CONF": str(conf)}
        argv = ["squeue", "-h", "-t", "PD,R,S,CF,CG", "-o", "%A %j %T"]
        found += [f"{conf.parent.parent.name}: {line}" for line in output(argv, env).splitlines()]
    for conf in sorted(folder.glob("*/admin.conf")):
        words = ("get", "pods", "-n", "default", "-l", "suan/run", "-o", "json")
        pods = json.loads(kubectl(conf, *words))["items"]
        alive = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running", "Unknown")]
        found += [f"{conf.parent.name}: pod {pod['metadata']['name']}" for pod in alive]
    for cluster in sorted(folder.glob("*/cluster")):
        jobs = httpx.get(f"{ray_up(cluster.parent)}/api/jobs/", timeout=60).json()
        alive = [job for job in jobs if job["status"] in ("PENDING", "RUNNING")]
        found += [f"{cluster.parent.name}: Ray job {job['submission_id']}" for job in alive]
    return found


def output(argv: list[str], env: dict[str, str]) -> str:
    """What a command prints."""
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Fairness:
    """While these queues demanded: for how long, and each one's part, due and received."""

    seconds: float
    due: dict[str, float]
    received: dict[str, float]
    grain: float  # the largest part of a model that one task takes

    @property
    def judged(self) -> bool:
        """Whether it was long enough for what runs to even out."""
        return self.seconds >= AHEAD_S

    @property
    def allowed(self) -> float:
        """By how much one job more that is counted ahead moves a share."""
        return self.grain * AHEAD_S / self.seconds

    @property
    def error(self) -> float:
        """The most that a queue got beside its due, of all that they held."""
        return max(abs(self.received[queue] - part) for queue, part in self.due.items())


@dataclass(frozen=True)
class Held:
    """What one run held for its queue: `tasks` parts, from being placed until its end [s]."""

    queue: str
    tasks: int
    placed: float
    ended: float
    model: str = ""  # of its accelerators


def held(chaos: Chaos) -> tuple[list[Held], dict[str, int]]:
    """What every run held, as the server has it recorded, and what there is of each model."""
    assert chaos.server is not None
    found = []
    there: Counter[str] = Counter()
    with httpx.Client(base_url=chaos.server.url, timeout=60) as http:
        pools = {each["name"]: each["total"]["accelerators"] for each in
                 http.get("/v1/pools").json()["pools"]}  # fmt: skip
        for each in pools.values():
            there.update(each)
        for job in all_jobs(http):
            told = http.get(f"/v1/jobs/{job['id']}").json()
            for run in told["runs"]:
                ends = run["ended_at"] or run["placed_at"]
                times = (datetime.fromisoformat(at).timestamp() for at in (run["placed_at"], ends))
                model = next(iter(pools[run["pool"]]), "")
                found.append(Held(str(job["queue"]), len(run["nodes"]), *times, model))
    return found, there


def shares(runs: list[Held], there: dict[str, int]) -> list[Fairness]:
    """What each queue received of what it was due, while two or more demanded. As the scheduler has
    it, a queue's is its dominant share: of the model of which it held the largest part."""
    placed = {queue: [run.placed for run in runs if run.queue == queue] for queue in WEIGHTS}
    since = max(min(each) for each in placed.values())  # all have begun
    found = []
    for until in sorted(max(each) for each in placed.values()):
        queues = [queue for queue in WEIGHTS if max(placed[queue]) >= until]
        if len(queues) < 2 or until <= since:  # one alone has no share
            break
        of_models: Counter[tuple[str, str]] = Counter()
        for run in runs:
            if run.model not in there:
                continue  # of a pool that is still away
            span = min(run.ended, until) - max(run.placed, since)
            part = run.tasks * max(0.0, span) / there[run.model]
            of_models[run.queue, run.model] += part
        got = {queue: max(of_models[queue, model] for model in there) for queue in queues}
        weight, total = sum(WEIGHTS[queue] for queue in queues), sum(got.values())
        due = {queue: WEIGHTS[queue] / weight for queue in queues}
        received = {queue: seconds / total for queue, seconds in got.items()}
        grain = TWO / min(there.values())
        found.append(Fairness(until - since, due, received, grain))
        since = until
    return found


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


def parts_of(region_folder: Path, pools: list[dict[str, str]], wires: Wires) -> list[Part]:
    """What there is to break of these pools."""
    found = []
    for pool in pools:
        folder = region_folder / pool["name"]
        if pool["kind"] == "slurm":
            found.append(slurm(folder))
        elif pool["kind"] == "kubernetes":
            found.append(kubernetes(folder, wires.by_pool[pool["name"]]))
        elif pool["kind"] == "ray":
            found.append(ray(folder, wires.by_pool[pool["name"]]))
    return [*found, local(region_folder / "home")]


def run(folder: Path, jobs: int, seconds: float) -> None:
    """The whole of it, and its table."""
    chance = random.Random(7)
    home, marks = folder / "home", folder / "marks"
    wires = Wires(folder)
    chaos = None
    try:
        region("up", folder)
        argv = [str(ROOT / ".venv" / "bin" / "suan"), "down"]
        output(argv, {**os.environ, "SUAN_HOME": str(home)})
        marks.mkdir()
        pools = wires.rewire(home / "pools.yaml", marks)
        chaos = Chaos(home, parts_of(folder, pools, wires), chance)
        queues = [queue for queue in WEIGHTS for _ in range(jobs // len(WEIGHTS))]
        chance.shuffle(queues)
        client = Client([a_job(chance, queue, marks) for queue in queues], chance)
        torture(chaos, client, marks, seconds=seconds, pools=pools)
    finally:
        if chaos is not None and chaos.server is not None:
            chaos.mend_all()
            chaos.server.stop()
        end_all(f"SUAN_CHAOS={marks}")
        region("down", folder)
        wires.close()


def weigh(url: str) -> None:
    """Give the queues their weights, as soon as the server leads and takes them."""
    for queue, weight in WEIGHTS.items():
        for _ in range(60):
            answer = httpx.put(f"{url}/v1/queues/{queue}", json={"weight": weight}, timeout=30)
            if answer.is_success:
                break
            time.sleep(0.5)  # it does not lead yet
        answer.raise_for_status()


def torture(
    chaos: Chaos, client: Client, marks: Path, *, seconds: float, pools: list[dict[str, str]]
) -> None:
    """Submit, break, wait, judge."""
    count, began = client.count, time.monotonic()
    chaos.start()
    assert chaos.server is not None
    weigh(chaos.server.url)
    torment(chaos, client, seconds)
    states = settled(chaos, chaos.server.url, count)
    took = time.monotonic() - began
    kinds = Counter(pool["kind"] for pool in pools)
    print("Pools: " + ", ".join(f"{n} of {kind}" for kind, n in kinds.items()), end=".\n\n")
    told(chaos, client, states, marks=marks, minutes=took / 60)


def where(chaos: Chaos) -> list[str]:
    """The pool in which each job ended."""
    assert chaos.server is not None
    with httpx.Client(base_url=chaos.server.url, timeout=60) as http:
        return [str(job["pool"]) for job in all_jobs(http)]


def told(
    chaos: Chaos, client: Client, states: dict[str, str], *, marks: Path, minutes: float
) -> None:
    """Judge, print, and exit with an error if something is wrong."""
    assert chaos.server is not None
    found = judge(client, states, marks)
    excuse(found, marks, chaos)
    for each in (*found.lost, *found.half_gangs, *found.wrong):
        explain(chaos.server.url, each)
    found.orphans = orphans(marks.parent, marks)
    plans, differ = asyncio.run(replayed(chaos.home))
    rows = [(what, times) for what, times in sorted(chaos.done.items())]
    print(harness.table(("what was done to the region", "times"), rows), end="\n\n")
    figures = [
        ("jobs", len(client.jobs)),
        ("minutes until all had ended", f"{minutes:.1f}"),
        ("lost", len(found.lost)),
        ("run twice", len(found.doubled)),
        ("ended, and lost with a node killed before it told; run again", len(found.unseen)),
        ("half gangs", len(found.half_gangs)),
        ("not succeeded", len(found.wrong)),
        ("orphans left", len(found.orphans)),
        ("runs begun again after one was lost", found.again),
        ("plans replayed", f"{plans:,}"),
        ("plans that differ", differ),
    ]
    fair = shares(*held(chaos))
    for each in fair:
        who = ", ".join(f"{queue} {100 * part:.0f} %" for queue, part in each.due.items())
        got = ", ".join(f"{queue} {100 * part:.1f} %" for queue, part in each.received.items())
        figures.append((f"dominant shares over {each.seconds:.0f} s, due {who}", got))
        grain = f"one job's part for five minutes is {100 * each.allowed:.1f}"
        beside = f"{100 * each.error:.1f} points; {grain if each.judged else 'too short to judge'}"
        figures.append(("the most that a queue got beside its due", beside))
    unfair = any(each.judged and each.error > each.allowed for each in fair)
    ran_in = Counter(where(chaos))
    figures.append(("jobs in each pool", ", ".join(f"{p} {n}" for p, n in sorted(ran_in.items()))))
    print(harness.table(("", "figure"), figures))
    wrong = (found.lost, found.doubled, found.half_gangs, found.wrong, found.orphans)
    for each in filter(None, wrong):
        print(each[:5], file=sys.stderr)
    if any(wrong) or differ or unfair:
        sys.exit("something was lost, run twice, left behind, unfair, or decided otherwise")


def main() -> None:
    jobs, seconds = (240, 45.0) if harness.quick() else (3000, 600.0)
    with tempfile.TemporaryDirectory(prefix="suan-chaos-") as name:
        run(Path(name) / "r", jobs, seconds)


if __name__ == "__main__":
    main()
