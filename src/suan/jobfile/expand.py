"""Arrays and sweeps: from one specification to its members."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence

from suan.model.spec import MAX_ARRAY, JobSpec

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?", re.ASCII)
_HELP = "write 0-9, 1,3,5 or 0-20:5"


def parse_array(text: str) -> tuple[tuple[int, ...], int | None]:
    """Sorted indices and the limit of ``0-9``, ``1,3,5``, ``0-20:5`` and ``0-99%10``.

    The limit (``%10``: at most ten at once) is ``None`` if there is none.

    Raises:
        ValueError: it is none of these, or has more than ``MAX_ARRAY`` members.
    """
    ranges, percent, limit = text.strip().partition("%")
    if percent and not re.fullmatch(r"[1-9][0-9]{0,8}", limit, re.ASCII):
        raise ValueError(f"{text!r} has no number after %; {_HELP}")
    indices: set[int] = set()
    named = 0  # with repetitions, so that overlapping ranges cannot cost more than one array
    for piece in ranges.split(","):
        piece_indices = _range(piece, text)
        named += len(piece_indices)
        if named > MAX_ARRAY:
            raise ValueError(f"an array has at most {MAX_ARRAY:,} members; submit several")
        indices.update(piece_indices)
    return tuple(sorted(indices)), int(limit) if percent else None


def _range(piece: str, text: str) -> range:
    match = _RANGE.fullmatch(piece.strip())
    if not match:
        raise ValueError(f"{text!r} is not a list of indices; {_HELP}")
    first, last, step = (int(group) if group else None for group in match.groups())
    assert first is not None
    if step == 0 or (last is not None and last < first):
        raise ValueError(f"the range {piece!r} is empty; {_HELP}")
    indices = range(first, (first if last is None else last) + 1, step or 1)
    if len(indices) > MAX_ARRAY:
        raise ValueError(f"an array has at most {MAX_ARRAY:,} members; submit several")
    return indices


def sweep_size(sweep: Mapping[str, Sequence[str]]) -> int:
    """The number of points of a sweep's grid."""
    return math.prod(len(values) for values in sweep.values())


def members(spec: JobSpec) -> list[tuple[int, dict[str, str]]]:
    """Index and parameters of each member, in order; empty for a job that is no array.

    A sweep's indices count from 0, its last parameter varying fastest.
    """
    if spec.sweep:
        names = tuple(spec.sweep)
        grid = itertools.product(*spec.sweep.values())
        return [(i, dict(zip(names, point, strict=True))) for i, point in enumerate(grid)]
    return [(index, {}) for index in spec.array]
