"""Exponential decay in integers, so that every machine comes to the same figure.

Not for: anything whose size matters to more than nine digits.
"""

from functools import lru_cache
from math import isqrt

from suan.model.units import Duration

BITS = 48
ONE = 1 << BITS
_STEPS = 32


def _roots() -> tuple[int, ...]:
    """``2 ** -(1/2), 2 ** -(1/4), 2 ** -(1/8), …`` as parts of ``ONE``: square roots of halves."""
    roots = []
    root = ONE >> 1
    for _ in range(_STEPS):
        root = isqrt(root << BITS)
        roots.append(root)
    return tuple(roots)


_ROOTS = _roots()
_HALF_LIFE_OVER_MEAN_LIFE = 195_103_586_505_167  # ln 2 as a part of ONE


@lru_cache(maxsize=1024)
def left_after(passed: Duration, half_life: Duration) -> int:
    """What is left of ``ONE`` after ``passed``: ``ONE * 2 ** (-passed / half_life)``."""
    halvings, rest = divmod(passed, half_life)
    if halvings >= BITS:
        return 0
    left = ONE >> halvings
    fraction = (rest << _STEPS) // half_life
    for step, root in enumerate(_ROOTS, start=1):
        if fraction >> (_STEPS - step) & 1:
            left = left * root >> BITS
    return left


def gathered_in(passed: Duration, half_life: Duration) -> Duration:
    """What a steady rate of one gathers while it decays: the integral of the decay over
    ``passed``, ``half_life / ln 2 * (1 - 2 ** (-passed / half_life))``."""
    lost = ONE - left_after(passed, half_life)
    return half_life * lost // _HALF_LIFE_OVER_MEAN_LIFE
