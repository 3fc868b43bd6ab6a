"""Accelerator devices of one node: which are whole, which are shared, and who fits.

A node's devices of one model are a list of free thousandths, one entry a device. An amount of
``k * 1000 + f`` thousandths takes ``k`` whole devices and, for ``f > 0``, a share of one more:
a share never spans devices. Not for: processors and memory, which are plain sums.
"""

from collections.abc import Sequence

from suan.model.resources import Resources
from suan.model.units import Thousandths

WHOLE: Thousandths = 1000

Grant = tuple[tuple[int, int, Thousandths], ...]  # (model's index, device's index, amount) each


def layout(total: Resources) -> tuple[list[Thousandths], ...]:
    """The empty devices of a node, by model in the order of ``total.accelerators``."""
    return tuple(
        [WHOLE] * (amount // WHOLE) + ([amount % WHOLE] if amount % WHOLE else [])
        for _, amount in total.accelerators
    )


def choose(devices: list[Thousandths], amount: Thousandths) -> list[tuple[int, Thousandths]]:
    """Devices for one task: the tightest share first, then the lowest whole ones.

    An amount that does not fit (a run taken over on a node that has shrunk) is charged to the
    freest devices, which become negative and are offered to nobody.
    """
    whole, share = divmod(amount, WHOLE)
    chosen: list[tuple[int, Thousandths]] = []
    if not share and devices.count(WHOLE) >= whole:
        at = -1
        for _ in range(whole):
            at = devices.index(WHOLE, at + 1)
            chosen.append((at, WHOLE))
        return chosen
    if share:
        fits = [(free, at) for at, free in enumerate(devices) if free >= share]
        at = min(fits)[1] if fits else devices.index(max(devices))
        chosen.append((at, share))
    shared = chosen[0][0] if chosen else -1
    free_whole = [at for at, free in enumerate(devices) if free >= WHOLE and at != shared]
    if len(free_whole) < whole:
        rest = [at for at in range(len(devices)) if at != shared and at not in free_whole]
        free_whole += sorted(rest, key=lambda at: (-devices[at], at))
    chosen += [(at, WHOLE) for at in free_whole[:whole]]
    return chosen


def fits(devices: Sequence[Thousandths], amount: Thousandths, most: int) -> int:
    """How many tasks of ``amount`` each these devices hold at once, at most ``most``."""
    whole, share = divmod(amount, WHOLE)
    if not share:
        return min(most, devices.count(WHOLE) // whole)  # no device is more than whole
    if not whole:
        return min(most, sum(max(free, 0) // share for free in devices))
    return _fits_mixed(list(devices), amount, most)


def _fits_mixed(devices: list[Thousandths], amount: Thousandths, most: int) -> int:
    for held in range(most):
        for at, part in choose(devices, amount):
            if devices[at] < part:
                return held
            devices[at] -= part
    return most
