"""What an offer comes to now: its pool's capacity, as nodes that stand for no real ones.

The peer puts its runs on the offered nodes, the owner's scheduler puts their jobs where it likes.
So the offered nodes are sizes of node (flavors), numbered, and their free parts are the free parts
of real ones, dealt out so that a gang that fits on the one also fits on the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from suan.model.job import Run
from suan.model.offer import NodeStatus, Terms
from suan.model.peer import ForwardedRun, PeerOffer
from suan.model.quota import Amounts
from suan.model.resources import Resources
from suan.model.units import MINUTE, Instant, NodeName

_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds what of the offered pool: every open run there, and the peer's forwarded ones."""

    runs: tuple[Run, ...]
    forwarded: tuple[ForwardedRun, ...]


def closed(offer: PeerOffer, now: Instant) -> str:
    """Why nothing new may start under an offer now; empty if it may."""
    if offer.begin is not None and now < offer.begin:
        return "the offer has not begun"
    if offer.end is not None and now >= offer.end:
        return "the offer is over"
    minute = now // MINUTE % _DAY_MINUTES
    if offer.hours and not any(_within(minute, *each) for each in offer.hours):
        times = ", ".join(f"{_clock(first)} to {_clock(last)}" for first, last in offer.hours)
        return f"the offer holds from {times} UTC"
    return ""


def _within(minute: int, first: int, last: int) -> bool:
    return first <= minute < last if first < last else minute >= first or minute < last


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def offered_terms(offer: PeerOffer, terms: Terms) -> Terms:
    """The pool's terms at the offer's prices; how a site is called here says nothing elsewhere."""
    if offer.prices is None:
        return terms
    prices = offer.prices
    notes = tuple(note for note in terms.notes if not note.startswith("prices:"))
    return replace(
        terms,
        currency=prices.currency,
        cpu_hour=prices.cpu_hour,
        accelerator_hour=prices.accelerator_hour,
        energy_kwh=prices.energy_kwh,
        notes=notes,
    )


def offered_nodes(
    offer: PeerOffer, nodes: Sequence[NodeStatus], held: Held, *, is_open: bool
) -> tuple[NodeStatus, ...]:
    """The nodes that a peer sees, by name. What others use of them is told; what the peer's own
    forwarded runs use is not, for the peer counts it itself."""
    free = _free(nodes, held)
    placed = _placed(held.forwarded)
    budget = _budget(offer, free, held)
    found = []
    for size, offered in _flavors(offer, nodes):
        rooms = sorted((free[node.name] for node in nodes if node.total == size), key=_size)
        left = {
            name: _positive(total.plus(placed.get(name, Resources()), times=-1))
            for name, total in offered.items()
        }
        # The emptiest of the offered nodes stand for the emptiest real ones.
        for name in sorted(left, key=lambda each: (_size(left[each]), each), reverse=True):
            given = _least(_least(rooms.pop(), left[name]), budget)
            budget = budget.plus(given, times=-1)
            others = left[name].plus(given, times=-1)
            found.append(NodeStatus(name, offered[name], others_use=others, schedulable=is_open))
    return tuple(sorted(found, key=lambda node: node.name))


def _free(nodes: Sequence[NodeStatus], held: Held) -> dict[NodeName, Resources]:
    """What is free of each real node that takes new runs, less what waits here to be placed."""
    free = {node.name: node.total.plus(node.others_use, times=-1) for node in nodes}
    for run in held.runs:
        for name in run.nodes:
            if name in free:
                free[name] = free[name].plus(run.per_task, times=-1)
    for node in nodes:
        if not node.schedulable:
            free[node.name] = Resources()
    started = {run.job for run in held.runs}
    for waiting in held.forwarded:
        if waiting.job not in started:
            _set_aside(free, waiting)
    return {name: _positive(amount) for name, amount in free.items()}


def _set_aside(free: dict[NodeName, Resources], waiting: ForwardedRun) -> None:
    for _ in waiting.nodes:
        fits = (name for name in sorted(free) if waiting.per_task.fits_in(free[name]))
        if (name := next(fits, None)) is not None:
            free[name] = free[name].plus(waiting.per_task, times=-1)


def _placed(forwarded: Iterable[ForwardedRun]) -> dict[NodeName, Resources]:
    """What the peer's runs use of each offered node, as the peer itself counts."""
    placed: dict[NodeName, Resources] = {}
    for run in forwarded:
        for name in run.nodes:
            placed[name] = placed.get(name, Resources()).plus(run.per_task)
    return placed


def _budget(offer: PeerOffer, free: dict[NodeName, Resources], held: Held) -> Resources:
    """How much more the peer may take: its share of what is free or its own already."""
    loose = Resources()
    for amount in free.values():
        loose = loose.plus(amount)
    own = Resources()
    for run in held.forwarded:
        own = own.plus(run.per_task, times=len(run.nodes))
    if offer.share_milli < 1000:
        loose = _scaled(loose.plus(own), offer.share_milli).plus(own, times=-1)
    return _positive(_capped(loose.plus(own), offer.ceiling).plus(own, times=-1))


def _flavors(
    offer: PeerOffer, nodes: Sequence[NodeStatus]
) -> list[tuple[Resources, dict[NodeName, Resources]]]:
    """Each size of node with the offered nodes of it: as many as there are, or as the ceiling
    allows; the last one may be a part."""
    counts: dict[Resources, int] = {}
    for node in nodes:
        counts[node.total] = counts.get(node.total, 0) + 1
    left = dict(offer.ceiling)
    found = []
    for total in sorted(counts, key=_size, reverse=True):
        names: dict[NodeName, Resources] = {}
        for number in range(1, counts[total] + 1):
            part = _capped(total, tuple(left.items()))
            if not _usable(part, total):
                break
            for kind, amount in _kinds(part).items():
                if kind in left:
                    left[kind] -= amount
            names[NodeName(f"{_flavor(total)}-{number}")] = part
        found.append((total, names))
    return found


def _usable(part: Resources, total: Resources) -> bool:
    accelerated = not total.accelerators or bool(part.accelerators)
    return part.cpu_milli > 0 and part.memory_mib > 0 and accelerated


def _flavor(total: Resources) -> str:
    """``8xa100-80gb-64c-512g``: what a node has."""
    models = "".join(f"{n / 1000:g}x{model.lower()}-" for model, n in total.accelerators)
    whole, rest = divmod(total.memory_mib, 1024)
    memory = f"{total.memory_mib}m" if rest else f"{whole}g"
    name = f"{models}{total.cpu_milli / 1000:g}c-{memory}"
    return "".join(each if each.isalnum() or each in ".-" else "-" for each in name)


# Resources as vectors ----------------------------------------------------------------------------


def _kinds(amount: Resources) -> dict[str, int]:
    return {"cpu": amount.cpu_milli, "memory": amount.memory_mib, **dict(amount.accelerators)}


def _of_kinds(kinds: dict[str, int]) -> Resources:
    models = {kind: n for kind, n in kinds.items() if kind not in ("cpu", "memory") and n}
    return Resources(kinds.get("cpu", 0), kinds.get("memory", 0), tuple(sorted(models.items())))


def _capped(amount: Resources, ceiling: Amounts) -> Resources:
    limits = dict(ceiling)
    return _of_kinds({kind: min(n, limits.get(kind, n)) for kind, n in _kinds(amount).items()})


def _least(one: Resources, other: Resources) -> Resources:
    theirs = _kinds(other)
    return _of_kinds({kind: max(0, min(n, theirs.get(kind, 0))) for kind, n in _kinds(one).items()})


def _positive(amount: Resources) -> Resources:
    return _of_kinds({kind: max(0, n) for kind, n in _kinds(amount).items()})


def _scaled(amount: Resources, milli: int) -> Resources:
    return _of_kinds({kind: n * milli // 1000 for kind, n in _kinds(amount).items()})


def _size(amount: Resources) -> tuple[int, int, int, tuple[tuple[str, int], ...]]:
    """Orders amounts: by accelerators, then processors, then memory."""
    total = amount.accelerators_total
    return total, amount.cpu_milli, amount.memory_mib, amount.accelerators
