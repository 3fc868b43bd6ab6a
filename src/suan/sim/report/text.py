"""Several policies side by side, as plain text of at most 100 columns."""

from collections.abc import Iterator, Sequence

from suan.model.units import SECOND
from suan.sim.report.comparison import Row, compared
from suan.sim.report.figures import HEADINGS, Figure, told
from suan.sim.report.wording import change, clip, duration, left, right
from suan.sim.results import Result

LABEL, VALUE, CHANGE = 24, 13, 8
BESIDE = 4  # policies in one block: 24 + 13 + 3 x 21 columns
NOTABLE = 0.02  # a tenant's mean wait that moves by less is called unmoved


def table(results: Sequence[Result]) -> str:
    """Every figure of every policy, each beside its change against the first policy's.

    Then the tenants: who waits less than under the first policy, and who waits longer.
    """
    if not results:
        return "nothing was simulated\n"
    lines: list[str] = []
    for block in _blocks(results):
        lines += _summary([results[at] for at in block], tuple(results))
        lines.append("")
    lines += _tenants(tuple(results))
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def _blocks(results: Sequence[Result]) -> Iterator[tuple[int, ...]]:
    """As many policies as fit side by side, by place; the first one stands in every block."""
    others = range(1, len(results))
    for at in range(0, max(1, len(others)), BESIDE - 1):
        yield (0, *others[at : at + BESIDE - 1])


def _summary(block: Sequence[Result], results: tuple[Result, ...]) -> Iterator[str]:
    yield _headings(block)
    part = ""
    for figure in told(results):
        if figure.part != part:
            part = figure.part
            yield HEADINGS[part]
        yield _line(figure, block)


def _headings(block: Sequence[Result], label: str = "") -> str:
    first = right(block[0].policy, LABEL + VALUE - len(label) - bool(label))
    others = (right(" " + each.policy, VALUE + CHANGE) for each in block[1:])
    return " ".join(filter(None, (label, first))) + "".join(others)


def _line(figure: Figure, block: Sequence[Result]) -> str:
    first = figure.value(block[0])
    cells = [right(figure.shown(first), VALUE)]
    for each in block[1:]:
        value = figure.value(each)
        cells.append(right(figure.shown(value), VALUE) + right(change(value, first), CHANGE))
    return left(f"  {figure.label}", LABEL) + "".join(cells)


def _tenants(results: tuple[Result, ...]) -> Iterator[str]:
    rows = compared(results, "tenants")
    if len(rows) < 2:  # one tenant is everybody: nothing to tell
        return
    for each in range(1, len(results)):
        yield _verdict(results, rows, each)
    yield ""
    for block in _blocks(results):
        yield _headings([results[at] for at in block], "Mean wait by tenant")
        for row in rows:
            yield left(f"  {row.name}", LABEL) + "".join(_cells(row, block))
        yield ""


def _cells(row: Row, indices: Sequence[int]) -> Iterator[str]:
    first = row.groups[indices[0]]
    for place, at in enumerate(indices):
        group = row.groups[at]
        yield right(duration(group.mean_wait) if group else "-", VALUE)
        if place:
            moved = change(group.mean_wait, first.mean_wait) if group and first else ""
            yield right(moved, CHANGE)


def _verdict(results: tuple[Result, ...], rows: Sequence[Row], at: int) -> str:
    """Who gains and who loses by one policy, in a sentence."""
    moved = sorted(
        (group.mean_wait / max(first.mean_wait, 1), row.name, group.mean_wait, first.mean_wait)
        for row in rows
        if not row.others and (group := row.groups[at]) and (first := row.groups[0])
    )
    gain = [each for each in moved if each[3] - each[2] > max(SECOND, NOTABLE * each[3])]
    lose = [each for each in moved if each[2] - each[3] > max(SECOND, NOTABLE * each[3])]
    said = [f"{len(gain)} of {len(moved)} tenants wait less than under {results[0].policy}"]
    if gain:
        said[0] += f" (most: {clip(gain[0][1], 16)} {change(*gain[0][2:])})"
    said.append(f"{len(lose)} longer")
    if lose:
        said[1] += f" (most: {clip(lose[-1][1], 16)} {change(*lose[-1][2:])})"
    return clip(f"{results[at].policy}: {', '.join(said)}", 100)
