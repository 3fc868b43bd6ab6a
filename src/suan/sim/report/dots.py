"""Who waits how long: the mean wait of each group, a dot for each policy."""

from collections.abc import Sequence

from suan.sim.report import markup
from suan.sim.report.comparison import DIMENSIONS, Dimension, Row, compared
from suan.sim.report.markup import Markup
from suan.sim.report.scales import LogScale, wait_ticks, waits
from suan.sim.report.wording import change, clip, count, duration
from suan.sim.results import Group, Result

WIDTH, STEP, TOP, BELOW = 460.0, 19.0, 8.0, 26.0
LEFT, RIGHT = 136.0, 404.0
LETTERS = 20
TITLES: dict[Dimension, str] = {
    "tenants": "Mean wait by tenant",
    "sizes": "Mean wait by size of job",
    "priorities": "Mean wait by priority",
    "pools": "Mean wait by pool of the last run",
}


def charts(results: Sequence[Result]) -> Markup:
    """A figure for each way to group jobs that has more than one group; nothing if none has."""
    order: tuple[Dimension, ...] = ("tenants", "sizes", "priorities", "pools")
    rows_of = {each: compared(results, each) for each in order}
    if rows_of["pools"] == rows_of["tenants"]:  # every tenant has a pool of its own
        del rows_of["pools"]
    found = {each: rows for each, rows in rows_of.items() if len(rows) > 1}
    every = (row for rows in found.values() for row in rows)
    means = [group.mean_wait for row in every for group in row.groups if group]
    if not means:
        return markup.EMPTY
    x = waits(max(means), LEFT, RIGHT, shortest=min(means))
    figures = (_figure(results, each, rows, x=x) for each, rows in found.items())
    return markup.tag("div", *figures, class_="pair")


def _figure(
    results: Sequence[Result], dimension: Dimension, rows: Sequence[Row], *, x: LogScale
) -> Markup:
    height = TOP + STEP * len(rows) + BELOW
    picture = markup.picture(
        markup.join(
            _grid(x, height - BELOW),
            *(
                _row(results, row, x, y=TOP + STEP * (at + 0.5), key=f"{dimension}-{at}")
                for at, row in enumerate(rows)
            ),
        ),
        size=(WIDTH, height),
        title=TITLES[dimension],
        description=f"{len(rows)} rows, a dot for each of {len(results)} policies",
        class_="chart dots",
    )
    caption = markup.tag("figcaption", markup.tag("h3", markup.text(TITLES[dimension])))
    return markup.tag("figure", caption, picture, _table(results, dimension, rows))


def _grid(x: LogScale, bottom: float) -> Markup:
    parts = [markup.line((LEFT, bottom), (RIGHT, bottom), "axis")]
    for at, words in wait_ticks(x, 40.0):
        parts.append(markup.line((at, TOP), (at, bottom), "grid"))
        parts.append(markup.label(words, at, bottom + 17, class_="middle"))
    return markup.join(*parts)


def _row(results: Sequence[Result], row: Row, x: LogScale, *, y: float, key: str) -> Markup:
    places = [x.at(group.mean_wait) for group in row.groups if group]
    dots = (
        markup.tag(
            "circle",
            cx=x.at(group.mean_wait),
            cy=y,
            r=4,
            class_=f"dot p{at % 8} s{at}",
        )
        for at, group in reversed(list(enumerate(row.groups)))
        if group
    )
    return markup.tag(
        "g",
        markup.label(clip(row.name, LETTERS), LEFT - 10, y + 4, class_="end ink"),
        markup.line((min(places), y), (max(places), y), "range"),
        *dots,
        markup.label(count(row.jobs), WIDTH - 4, y + 4, class_="end"),
        class_="row",
        data_group=key,
        data_tip=_tip(results, row),
    )


def _tip(results: Sequence[Result], row: Row) -> str:
    """One line for each policy: its place, a tab, the words."""
    lines = [f"{row.name} · {count(row.jobs)} jobs"]
    for at, result, words in _words(results, row):
        lines.append(f"{at}\t{result.policy}\t{words}")
    return "\n".join(lines)


def _words(results: Sequence[Result], row: Row) -> list[tuple[int, Result, str]]:
    first = row.groups[0]
    return [
        (at, result, _moved(group, first if at else None))
        for at, (result, group) in enumerate(zip(results, row.groups, strict=True))
        if group
    ]


def _moved(group: Group, first: Group | None) -> str:
    moved = f" {change(group.mean_wait, first.mean_wait)}" if first else ""
    return f"{duration(group.mean_wait)}{moved}"


def _table(results: Sequence[Result], dimension: Dimension, rows: Sequence[Row]) -> Markup:
    headings = [DIMENSIONS[dimension], "jobs", *(each.policy for each in results)]
    cells = []
    for row in rows:
        words = {at: said for at, _, said in _words(results, row)}
        said = [count(row.jobs), *(words.get(at, "-") for at in range(len(results)))]
        cells.append([markup.name(row.name), *map(markup.text, said)])
    heads = [markup.name(each) for each in headings]
    return markup.fallback(markup.table(heads, cells, caption=TITLES[dimension]))
