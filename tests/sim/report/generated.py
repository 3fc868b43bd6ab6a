"""A small cluster under several orders, seeded: results such as a simulator makes.

A list scheduler over nodes of eight accelerators: enough to make queues, gangs and differences
between policies; no conformance with suan's scheduler is meant.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from suan.sim.results import Ended, Recorder, Result, RowWriter

SECOND, HOUR = 1_000_000, 3_600_000_000
DEVICES = 8
TENANTS = ("视觉组", "language", "<script>alert(1)</script>", "speech & audio", "robotics")
POLICIES: dict[str, Callable[["Job"], tuple[int, int]]] = {
    "fifo": lambda job: (job.submitted, job.at),
    "sjf": lambda job: (job.runs, job.at),
    "sjf × size": lambda job: (job.runs * job.devices, job.at),
}


@dataclass
class Job:
    at: int
    submitted: int
    runs: int
    devices: int
    tenant: str
    priority: int
    nodes: list[tuple[int, int]] = field(default_factory=list)
    started: int = 0


def jobs(many: int, *, seed: int = 7, tenants: int = 12) -> list[Job]:
    """Jobs that come in waves, most of them small and short, from tenants of unequal weight."""
    draw = random.Random(seed)
    names = [*TENANTS, *(f"team-{at:02}" for at in range(max(0, tenants - len(TENANTS))))]
    weights = [1 / (1 + at) for at in range(len(names))]
    made, now = [], 0
    for at in range(many):
        busy = 3 if (now // (12 * HOUR)) % 2 == 0 else 0.7
        now += round(draw.expovariate(busy / 240) * SECOND)
        runs = min(60 * HOUR, round(draw.lognormvariate(7.2, 1.7) * SECOND))
        devices = draw.choices([1, 2, 4, 8, 16, 32], [50, 15, 12, 14, 6, 3])[0]
        tenant = draw.choices(names, weights)[0]
        made.append(Job(at, now, runs, devices, tenant, draw.choice([0, 0, 0, 100])))
    return made


def simulate(
    policy: str,
    *,
    many: int = 3000,
    nodes: int = 12,
    seed: int = 7,
    tenants: int = 12,
    rows: RowWriter | None = None,
) -> Result:
    """The result of one of ``POLICIES``; who stands first and does not fit holds up the rest."""
    recorder = Recorder(policy, rows)
    order = POLICIES[policy]
    free = [DEVICES] * nodes
    coming = jobs(many, seed=seed, tenants=tenants)[::-1]
    waiting: list[tuple[tuple[int, int], Job]] = []
    running: list[tuple[int, int, Job]] = []
    recorder.capacity(0, nodes * 64_000, nodes * DEVICES * 1000)
    while coming or running or waiting:
        now = min(
            [job.submitted for job in coming[-1:]] + [ends for ends, *_ in running[:1]],
        )
        while running and running[0][0] <= now:
            _end(recorder, heapq.heappop(running)[2], now, free)
        while coming and coming[-1].submitted <= now:
            heapq.heappush(waiting, (order(coming[-1]), coming.pop()))
        while waiting and _start(waiting[0][1], now, free):
            job = heapq.heappop(waiting)[1]
            heapq.heappush(running, (now + job.runs, job.at, job))
        used = nodes * DEVICES - sum(free)
        recorder.changed(
            now,
            pending=len(waiting),
            running=len(running),
            cpu_milli=used * 8000,
            accelerators_milli=used * 1000,
        )
    return recorder.result()


def _start(job: Job, now: int, free: list[int]) -> bool:
    wanted, found = job.devices, []
    if wanted <= DEVICES:
        room = [(left, at) for at, left in enumerate(free) if left >= wanted]
        found = [(min(room)[1], wanted)] if room else []
    else:
        whole = [at for at, left in enumerate(free) if left == DEVICES]
        if len(whole) >= wanted // DEVICES:
            found = [(at, DEVICES) for at in whole[: wanted // DEVICES]]
    for at, devices in found:
        free[at] -= devices
    job.nodes, job.started = found, now
    return bool(found)


def _end(recorder: Recorder, job: Job, now: int, free: list[int]) -> None:
    for at, devices in job.nodes:
        free[at] += devices
    failed = job.at % 17 == 0
    recorder.ran(
        f"job-{job.at}",
        "east" if job.nodes[0][0] % 2 else "west",
        f"node-{job.nodes[0][0]:02}",
        began=job.started,
        until=now,
        tenant=job.tenant,
    )
    recorder.ended(
        Ended(
            job=f"job-{job.at}",
            line=job.at + 2,
            name=f"train-{job.at}",
            user=f"user{job.at % 9}",
            tenant=job.tenant,
            queue="default",
            priority=job.priority,
            pool="east" if job.nodes[0][0] % 2 else "west",
            tasks=max(1, job.devices // DEVICES),
            cpu_milli=job.devices * 8000,
            accelerators_milli=job.devices * 1000,
            submitted=job.submitted,
            started=job.started,
            ended=now,
            served=job.runs,
            lost=job.runs if failed else 0,
            attempts=1,
            preempted=0,
            state="failed" if failed else "succeeded",
            deadline=job.submitted + 24 * HOUR if job.at % 5 == 0 else None,
        )
    )
