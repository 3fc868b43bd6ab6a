"""Predicting durations: how far off, how sure, how fast, beside simpler rules.

Each job of a public trace is predicted when it is submitted, from the runs that had ended by then
as they were recorded (where no wait was, as if each had started at once). "Off by" is the factor
between prediction and truth, either way, in the median; "mean off" is its geometric mean. "High
holds" is the share of jobs that took no longer than `high`, which means to be 0.9; "jobs" the share
that a rule has an answer for; "CPU a job" is for learning and asking once each. Where no user is
known his queue stands for him, in every rule. The traces are looked for in `$SUAN_TRACES` or
`../shared/traces`, and skipped where absent.
"""

import csv
import gzip
import heapq
import math
import os
import statistics
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import number, quick, table

from suan.core.durations import Durations
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted
from suan.model.resources import Resources
from suan.model.units import SECOND

TRACES = Path(os.environ.get("SUAN_TRACES", Path(__file__).parents[2] / "shared" / "traces"))
SWF = ("theta_2022", "UniLu-Gaia-2014-1", "CEA-Curie-2011-2.1-cln", "NASA-iPSC-1993-3.1-cln")


@dataclass(frozen=True, slots=True)
class Past:
    """A job of a trace: what was known at its submission, how long it ran, when it had ended."""

    told: JobSubmitted
    took: int
    ended: int


def philly(path: Path) -> Iterator[Past]:
    """Queue, size and time of submission are all that is known."""
    with path.open() as file:
        for seq, row in enumerate(csv.DictReader(file)):
            need = Resources(accelerators=(("V100", int(row["gpu_num"]) * 1000),))
            yield _past(seq, need, int(row["submit"]), 0, int(row["duration"]), queue=row["vc"])


def swf(path: Path) -> Iterator[Past]:
    """User and limit, and the number of the executable (for the command) where there is one."""
    with gzip.open(path, "rt") as file:
        rows = [line.split() for line in file if line[0] != ";"]
    users = len({row[11] for row in rows}) > 1
    commands = len({row[13] for row in rows}) > 1
    for seq, row in enumerate(rows):
        submit, wait, took, held, asked, limit = (int(float(row[i])) for i in (1, 2, 3, 4, 7, 8))
        size = held if held > 0 else asked
        if took > 0 and size > 0:
            yield _past(
                seq, Resources(size * 1000), submit, max(wait, 0),
                min(took, limit) if limit > 0 else took,
                user=row[11] if users else "",
                command=row[13] if commands and row[13] != "-1" else "",
                time_limit=limit * SECOND if limit > 0 else None,
            )  # fmt: skip


def _past(seq: int, need: Resources, submit: int, wait: int, took: int, **cues: object) -> Past:
    at = submit * SECOND
    told = JobSubmitted(at, f"j{seq}", seq, Demand(1, (Option(need),)), **cues)
    return Past(told, took * SECOND, at + (wait + took) * SECOND)


class Ours:
    """``Durations`` itself."""

    label = "`Durations`"

    def __init__(self) -> None:
        self.known = Durations()

    def learn(self, job: Past) -> None:
        need = job.told.demand.options[0].per_task
        self.known.learn(job.told, job.took, tasks=1, per_task=need)

    def expect(self, told: JobSubmitted) -> tuple[int, int | None] | None:
        found = self.known.expect(told)
        return None if found is None else (found.median, found.high)


class Limit:
    """The time limit, where there is one."""

    label = "time limit"

    def learn(self, job: Past) -> None:
        """Nothing."""

    def expect(self, told: JobSubmitted) -> tuple[int, int | None] | None:
        return None if told.time_limit is None else (told.time_limit, told.time_limit)


class LastTwo:
    """The mean of the user's last two runs (Tsafrir et al., 2007), never above the limit."""

    label = "user's last two"

    def __init__(self) -> None:
        self.last: dict[str, deque[int]] = {}

    def learn(self, job: Past) -> None:
        who = job.told.user or job.told.queue
        self.last.setdefault(who, deque(maxlen=2)).append(job.took)

    def expect(self, told: JobSubmitted) -> tuple[int, int | None] | None:
        last = self.last.get(told.user or told.queue)
        return None if not last else (min(sum(last) // len(last), told.time_limit or 10**18), None)


class Decayed:
    """A mean by user and size that keeps 0.8 of itself at each run, never above the limit."""

    label = "decaying mean"

    def __init__(self) -> None:
        self.mean: dict[tuple[str, Demand], float] = {}

    def learn(self, job: Past) -> None:
        key = (job.told.user or job.told.queue, job.told.demand)
        self.mean[key] = 0.8 * self.mean.get(key, job.took) + 0.2 * job.took

    def expect(self, told: JobSubmitted) -> tuple[int, int | None] | None:
        mean = self.mean.get((told.user or told.queue, told.demand))
        return None if mean is None else (min(int(mean), told.time_limit or 10**18), None)


def judge(jobs: list[Past], rule: Ours | Limit | LastTwo | Decayed) -> tuple[object, ...]:
    """Play the trace: what was predicted against what came true."""
    errors, held, spent = [], [], 0.0
    ends: list[tuple[int, int]] = []
    for at, job in enumerate(jobs):
        start = time.process_time()
        while ends and ends[0][0] <= job.told.at:
            rule.learn(jobs[heapq.heappop(ends)[1]])
        found = rule.expect(job.told)
        spent += time.process_time() - start
        heapq.heappush(ends, (job.ended, at))
        if found is not None:
            errors.append(abs(math.log(max(found[0], SECOND) / job.took)))
            held += [] if found[1] is None else [job.took <= found[1]]
    if not errors:
        return ("0.0%", "", "", "", "", "")
    return (
        f"{len(errors) / len(jobs):.1%}",
        f"{math.exp(statistics.median(errors)):.2f} x",
        f"{math.exp(statistics.fmean(errors)):.2f} x",
        f"{sum(e <= math.log(2) for e in errors) / len(errors):.1%}",
        f"{sum(held) / len(held):.3f}" if held else "",
        f"{spent / len(jobs) * 1e6:.1f} µs",
    )


def traces() -> dict[str, Callable[[], Iterator[Past]]]:
    """Those that are there."""
    found: dict[str, Callable[[], Iterator[Past]]] = {}
    path = TRACES / "philly_tight" / "jobs.csv"
    if path.exists():
        found["philly_tight"] = lambda path=path: philly(path)
    for name in SWF:
        path = TRACES / "swf" / f"{name}.swf.gz"
        if path.exists():
            found[name] = lambda path=path: swf(path)
    return found


def memory(jobs: list[Past]) -> float:
    """MiB that the predictor holds after learning every job."""
    tracemalloc.start()
    rule = Ours()
    for job in jobs:
        rule.learn(job)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / 2**20


def main() -> None:
    """Print a table of every trace and rule."""
    most = 5000 if quick() else 100_000
    rows, notes = [], []
    for name, read in traces().items():
        jobs = sorted(read(), key=lambda job: job.told.at)[:most]
        rules = (Ours(), Decayed(), LastTwo(), Limit())
        rows += [(f"{name}: {rule.label}", *judge(jobs, rule)) for rule in rules]
        notes.append(f"{name} {number(len(jobs))} jobs, {memory(jobs):.1f} MiB")
    if not rows:
        print(f"No traces in {TRACES}: nothing measured.")
        return
    header = ("trace: rule", "jobs", "off by", "mean off", "within 2 x", "high holds", "CPU a job")
    print(table(header, rows))
    print(f"Held by `Durations` at the end: {'; '.join(notes)}.")


if __name__ == "__main__":
    main()
