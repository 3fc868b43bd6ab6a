"""Reservation: a job that asks to run in one needs the nodes that it keeps."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool of whose nodes the job's reservation keeps none, or too few for the gang were
    they empty. Whom it admits, and its window, are ``core.advance``'s."""
    name = ask.demand.reservation
    if name is None:
        return None
    held = nodes = 0
    for flavor in pool.kinds:
        if name in flavor.key[3]:
            need = flavor.need(ask.per_task)
            for vector, count in flavor.totals.items():
                nodes += count
                held += count * need.slots(vector, ask.tasks) if need else 0
    if held >= ask.tasks:
        return None
    if not nodes:
        detail = f"the job asks to run in reservation {name}, which keeps no node of this pool"
        mend = f"a reservation {name} is made here, or the job asks for another or for none"
    else:
        detail = (
            f"the job asks to run in reservation {name}, whose nodes in this pool hold {held} of"
            f" {ask.tasks} {'tasks' if ask.tasks > 1 else 'task'} when empty"
        )
        mend = f"reservation {name} is made anew with more nodes, or the job asks for less"
    return Refusal(
        code=RefusalCode.NOT_IN_RESERVATION, pool=pool.name, detail=detail, unblocked_by=mend
    )
