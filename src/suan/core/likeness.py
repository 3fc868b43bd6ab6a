"""What jobs are alike in: the groups that a run is filed under, from the specific to the general.

A cue is a plain tuple, so that it is cheap to make and to look up: its sort, then its values.
A job's size is its accelerators in thousandths, of whatever model, or else its processors in
thousandths, negative, so that the two never meet.
"""

from typing import Final, TypeAlias

from suan.model.events import JobSubmitted, RunRemembered
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import HOUR, MINUTE, SECOND, Duration

Cue: TypeAlias = tuple[int | str, ...]


class Sort:
    """The first value of a cue, each with what follows it, in the order of asking. Plain integers,
    because an ``Enum`` is hashed in Python, ten times for each job."""

    COMMAND_ON_MODEL: Final = 0  # tenant, who, command, size, model
    COMMAND: Final = 1  # tenant, who, command, size
    NAME: Final = 2  # tenant, who, name without its digits, size
    COMMAND_ANY_SIZE: Final = 3  # tenant, who, command
    USER_LIMIT: Final = 4  # tenant, user, size, limit
    USER: Final = 5  # tenant, user, size
    QUEUE_LIMIT: Final = 6  # tenant, queue, size, limit
    QUEUE: Final = 7  # tenant, queue, size
    QUEUE_ANY_SIZE: Final = 8  # tenant, queue
    SIZE: Final = 9  # size
    ALL: Final = 10


_QUEUE_FOR_USER = "\0"  # begins a "who" that is a queue: no user's name does
_LONG, _KEPT = 512, 200  # of a longer command only the ends and the length count: memory is bounded
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))


def cues_of_told(told: JobSubmitted, tasks: int, per_task: Resources) -> list[Cue]:
    """The cues of a job, most specific first, if its tasks hold ``per_task``."""
    return _cues(
        (told.tenant, told.user, told.queue),
        told.name,
        told.command,
        size=_size(tasks, per_task),
        model=_model(per_task),
        limit=told.time_limit or 0,
    )


def cues_of_demand(told: JobSubmitted) -> list[Cue]:
    """The cues of a job that has not been placed: it may leave its accelerator's model open."""
    demand = told.demand
    per_task = demand.options[0].per_task if demand.options else Resources()
    return _cues(
        (told.tenant, told.user, told.queue),
        told.name,
        told.command,
        size=_size(demand.tasks, per_task),
        model=_model(per_task) if len(demand.options) == 1 else "",
        limit=told.time_limit or 0,
    )


def cues_of_past(past: RunRemembered) -> list[Cue]:
    """The cues of a run that is remembered."""
    return _cues(
        (past.tenant, past.user, past.queue),
        past.name,
        past.command,
        size=_size(past.tasks, past.per_task),
        model=_model(past.per_task),
        limit=past.time_limit or 0,
    )


def _size(tasks: int, per_task: Resources) -> int:
    if per_task.accelerators:
        return tasks * per_task.accelerators_total
    return -tasks * per_task.cpu_milli


def _model(per_task: Resources) -> str:
    """The accelerator's model, or nothing where it is open, or there is none, or several."""
    if len(per_task.accelerators) != 1:
        return ""
    model = per_task.accelerators[0][0]
    return "" if model == ANY_ACCELERATOR else model


def _cues(
    whose: tuple[str, str, str], name: str, command: str, *, size: int, model: str, limit: Duration
) -> list[Cue]:
    tenant, user, queue = whose
    who = user or _QUEUE_FOR_USER + queue  # where no user is known, the queue stands for him
    if len(command) > _LONG:
        command = f"{command[:_KEPT]}{len(command)}{command[-_KEPT:]}"
    cues: list[Cue] = []
    if command:
        if model:
            cues.append((Sort.COMMAND_ON_MODEL, tenant, who, command, size, model))
        cues.append((Sort.COMMAND, tenant, who, command, size))
    if name:
        cues.append((Sort.NAME, tenant, who, name.translate(_NO_DIGITS), size))
    if command:
        cues.append((Sort.COMMAND_ANY_SIZE, tenant, who, command))
    if user:
        if limit:
            cues.append((Sort.USER_LIMIT, tenant, user, size, limit))
        cues.append((Sort.USER, tenant, user, size))
    if limit:
        cues.append((Sort.QUEUE_LIMIT, tenant, queue, size, limit))
    cues += (
        (Sort.QUEUE, tenant, queue, size),
        (Sort.QUEUE_ANY_SIZE, tenant, queue),
        (Sort.SIZE, size),
        (Sort.ALL,),
    )
    return cues


def words(cue: Cue) -> str:
    """Whose runs, of what. It reads on after "the last 12 runs"."""
    match cue:
        case (Sort.COMMAND_ON_MODEL, tenant, who, _, int(size), model):
            return f"of the same command on {_amount(size, str(model))} by {_whose(tenant, who)}"
        case (Sort.COMMAND, tenant, who, _, int(size)):
            return f"of the same command on {_amount(size)} by {_whose(tenant, who)}"
        case (Sort.NAME, tenant, who, name, int(size)):
            return f"named like {name} on {_amount(size)} by {_whose(tenant, who)}"
        case (Sort.COMMAND_ANY_SIZE, tenant, who, _):
            return f"of the same command on any size by {_whose(tenant, who)}"
        case (Sort.USER_LIMIT, tenant, user, int(size), int(limit)):
            return f"on {_amount(size)} within {_time(limit)} by {_whose(tenant, user)}"
        case (Sort.USER, tenant, user, int(size)):
            return f"on {_amount(size)} by {_whose(tenant, user)}"
        case _:
            return _words_of_many(cue)


def _words_of_many(cue: Cue) -> str:
    match cue:
        case (Sort.QUEUE_LIMIT, tenant, queue, int(size), int(limit)):
            return f"on {_amount(size)} within {_time(limit)} in queue {queue} of tenant {tenant}"
        case (Sort.QUEUE, tenant, queue, int(size)):
            return f"on {_amount(size)} in queue {queue} of tenant {tenant}"
        case (Sort.QUEUE_ANY_SIZE, tenant, queue):
            return f"in queue {queue} of tenant {tenant}"
        case (Sort.SIZE, int(size)):
            return f"on {_amount(size)} by anybody"
        case _:
            return "by anybody"


def _whose(tenant: int | str, who: int | str) -> str:
    name = str(who)
    if name.startswith(_QUEUE_FOR_USER):
        return f"anybody in queue {name[1:]} of tenant {tenant}"
    return f"user {name} of tenant {tenant}"


def _amount(size: int, model: str = "") -> str:
    what = "processor" if size <= 0 else model or "accelerator"
    whole, rest = divmod(abs(size), 1000)
    number = f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)
    if model:
        return f"{number} × {model}"
    return f"{number} {what}" if number == "1" else f"{number} {what}s"


def _time(limit: Duration) -> str:
    for unit, name in ((HOUR, "h"), (MINUTE, "min")):
        if limit % unit == 0:
            return f"{limit // unit} {name}"
    return f"{-(-limit // SECOND)} s"
