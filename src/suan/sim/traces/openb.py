"""Pods of Alibaba's openb clusters (2023), with shares of GPUs and constraints on their models.

A pod's submission is its creation, its run time from when it was scheduled to its deletion; one
never scheduled is left out. ``gpu_milli`` is of one GPU where ``num_gpu`` is 1; several are whole.
``gpu_spec`` lists acceptable models (``V100M16|V100M32``): one option each.
Its class of service (``qos``) is its queue.
"""

from collections.abc import Iterator
from pathlib import Path

from suan.facts.accelerators import canonical
from suan.model.demand import Demand, Option
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import Instant, QueueName
from suan.sim.traces.job import DEFAULT_QUEUE, TraceJob, job_id
from suan.sim.traces.tally import Tally
from suan.sim.traces.text import Table, microseconds, starts_with

_SIZES = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec")
_TIMES = ("creation_time", "scheduled_time", "deletion_time")


def sniff(head: str) -> bool:
    """By its header."""
    return starts_with(head, (*_SIZES[:4], "creation_time"))


def read(path: Path, tally: Tally, origin: Instant) -> Iterator[TraceJob]:
    """Jobs in the file's order."""
    table = Table(path, tally)
    sizes_at = tuple(table.column(each) for each in _SIZES)
    created_at, scheduled_at, deleted_at = (table.column(each) for each in _TIMES)
    name_at, class_at = table.column("name"), table.find("qos")
    known: dict[tuple[str, ...], Demand] = {}
    for number, row in table.rows():
        if not row[scheduled_at] or not row[deleted_at]:
            tally.note("never_ran", number)
            continue
        key = tuple([row[at] for at in sizes_at])
        try:
            submit = microseconds(row[created_at])
            runtime = microseconds(row[deleted_at]) - microseconds(row[scheduled_at])
            demand = known.get(key) or known.setdefault(key, _demand(*key))
        except ValueError:
            tally.note("not_a_number", number)
            continue
        if submit < 0 or runtime <= 0 or demand.options[0].per_task == Resources():
            cause = "no_submit" if submit < 0 else "zero_length" if runtime <= 0 else "no_size"
            tally.note(cause, number)
            continue
        queue = DEFAULT_QUEUE if class_at is None else QueueName(row[class_at])
        yield TraceJob(
            job_id(number),
            number,
            submit - origin,
            runtime,
            demand,
            queue=queue,
            name=row[name_at],
        )


def _demand(cpu: str, memory: str, gpus: str, *share_and_models: str) -> Demand:
    share, models = share_and_models
    cpu_milli, memory_mib, count = int(cpu), int(memory), int(gpus or 0)
    if min(cpu_milli, memory_mib, count) < 0:
        raise ValueError("a negative amount")
    if not count:
        return Demand(1, (Option(Resources(cpu_milli, memory_mib)),))
    amount = count * 1000 if count > 1 else int(share or 1000)
    if not 0 < amount <= count * 1000:
        raise ValueError("not a share of a GPU")
    wanted = [canonical(each) for each in models.split("|") if each.strip()]
    return Demand(
        1,
        tuple(
            Option(Resources(cpu_milli, memory_mib, ((model, amount),)))
            for model in wanted or [ANY_ACCELERATOR]
        ),
    )
