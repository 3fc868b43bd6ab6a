"""How long jobs waited: the share that waited at most so long, over a logarithmic axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suan.model.units import SECOND
from suan.sim.report import markup
from suan.sim.report.comparison import DIMENSIONS, Row, compared
from suan.sim.report.markup import Markup
from suan.sim.report.scales import LogScale, Scale, wait_ticks, waits
from suan.sim.report.wording import count, duration
from suan.sim.results import Distribution, Group, Result

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
APART = 1.5  # points of a curve, in the picture's units
EVERYONE = "all"


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size and the room for its ticks; a small one has fewer words."""

    width: float
    height: float
    left: float
    room: float

    @property
    def right(self) -> float:
        """Where the axis ends."""
        return self.width - 10

    @property
    def bottom(self) -> float:
        """Where the axis stands."""
        return self.height - 22


LARGE = Frame(960.0, 260.0, 52.0, 44.0)
SMALL = Frame(300.0, 130.0, 34.0, 44.0)


def selectable(results: Sequence[Result]) -> Iterator[tuple[str, str, Row]]:
    """Every group whose curve can be chosen: its key, its dimension's name and itself."""
    for dimension, words in DIMENSIONS.items():
        rows = compared(results, dimension)
        if len(rows) > 1:
            for at, row in enumerate(rows):
                yield f"{dimension}-{at}", words, row


def chart(results: Sequence[Result]) -> Markup:
    """The large picture: everyone's curves, and those of each group, hidden until chosen."""
    x = _scale(results, LARGE)
    chosen = [
        _curves([each.overall for each in results], x, LARGE, key=EVERYONE),
        *(_curves(row.groups, x, LARGE, key=key) for key, _, row in selectable(results)),
    ]
    said = "; ".join(
        f"{each.policy}: half at most {duration(each.overall.wait.quantile(0.5))}, "
        f"95 % at most {duration(each.overall.wait.quantile(0.95))}"
        for each in results
    )
    picture = markup.picture(
        markup.join(_grid(x, LARGE), *chosen, markup.line((0, 10), (0, LARGE.bottom), "cross")),
        size=(LARGE.width, LARGE.height),
        title="Share of jobs that waited at most so long",
        description=said,
        class_="chart cdf",
        data_left=x.start,
        data_right=x.end,
        data_low=x.low / SECOND,
        data_high=x.high / SECOND,
        data_top=10,
        data_bottom=LARGE.bottom,
    )
    return markup.join(picture, _table(results))


def multiples(results: Sequence[Result]) -> Markup:
    """One small picture for each size class, all with the same axes."""
    x = _scale(results, SMALL)
    rows = compared(results, "sizes")
    return markup.tag("div", *(_small(results, row, x) for row in rows), class_="multiples")


def _small(results: Sequence[Result], row: Row, x: LogScale) -> Markup:
    said = "; ".join(
        f"{result.policy}: half at most {duration(group.wait.quantile(0.5))}"
        for result, group in zip(results, row.groups, strict=True)
        if group
    )
    picture = markup.picture(
        markup.join(_grid(x, SMALL), _curves(row.groups, x, SMALL, key=EVERYONE)),
        size=(SMALL.width, SMALL.height),
        title=f"Waits of jobs of {row.name}",
        description=said,
        class_="chart small",
    )
    caption = markup.tag(
        "figcaption",
        markup.tag("b", markup.text(row.name)),
        markup.text(f" {count(row.jobs)} jobs"),
    )
    return markup.tag("figure", caption, picture)


def _scale(results: Sequence[Result], frame: Frame) -> LogScale:
    longest = max((each.overall.wait.maximum for each in results), default=0)
    return waits(longest, frame.left, frame.right)


def _grid(x: LogScale, frame: Frame) -> Markup:
    y, parts = _shares(frame), []
    for share in SHARES if frame is LARGE else (0.0, 0.5, 1.0):
        at = y.at(share)
        parts.append(markup.line((frame.left, at), (frame.right, at), "grid" if share else "axis"))
        parts.append(markup.label(f"{share:.0%}", frame.left - 7, at + 3.5, class_="end"))
    for at, words in wait_ticks(x, frame.room):
        parts.append(markup.line((at, frame.bottom), (at, frame.bottom + 4), "axis"))
        parts.append(markup.label(words, at, frame.bottom + 17, class_="middle"))
    return markup.join(*parts)


def _curves(groups: Sequence[Group | None], x: LogScale, frame: Frame, *, key: str) -> Markup:
    paths = (
        markup.tag("path", d=_path(group.wait, x, _shares(frame)), class_=f"line p{at % 8} s{at}")
        for at, group in reversed(list(enumerate(groups)))
        if group
    )
    on = " on" if key == EVERYONE else ""
    return markup.tag("g", *paths, class_=f"curves{on}", data_group=key)


def _path(wait: Distribution, x: LogScale, y: Scale) -> str:
    """From what waited a second at most, through the cells, to everybody."""
    points = [(x.start, wait.at_most(int(x.low)))]
    for least, share in wait.steps():
        at = x.at(least)
        if share - points[-1][1] > 0.001 and at - points[-1][0] >= APART:
            points.append((at, share))
    points += [(x.at(wait.maximum), 1.0), (x.end, 1.0)]
    return "M" + "L".join(f"{markup.number(at)} {markup.number(y.at(s))}" for at, s in points)


def _shares(frame: Frame) -> Scale:
    return Scale(0, 1, frame.bottom, 10)


def _table(results: Sequence[Result]) -> Markup:
    """Quantiles of everyone and of each group, under each policy."""
    everyone = Row("everyone", tuple(each.overall for each in results))
    rows = []
    for row in (everyone, *(row for _, _, row in selectable(results))):
        for result, group in zip(results, row.groups, strict=True):
            if group:
                values = [group.wait.mean, *map(group.wait.quantile, QUANTILES)]
                words = [duration(each) for each in (*values, group.wait.maximum)]
                cells = [count(group.jobs), *words]
                named = [markup.name(row.name), markup.name(result.policy)]
                rows.append([*named, *map(markup.text, cells)])
    shares = [f"{share:.0%}" for share in QUANTILES]
    headings = ["jobs of", "policy", "jobs", "mean", *shares, "longest"]
    return markup.fallback(
        markup.table(list(map(markup.text, headings)), rows, caption="Waits: shares wait at most")
    )
