"""The first hours, node by node: what ran where, under each policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from suan.model.units import HOUR, SECOND, Instant
from suan.sim.report import markup
from suan.sim.report.markup import Markup
from suan.sim.report.overview import swatch
from suan.sim.report.scales import Scale, time_ticks
from suan.sim.report.wording import amount, clip, count, duration
from suan.sim.results import Result, Span

WIDTH, LEFT, RIGHT, TOP, BELOW = 960.0, 110.0, 950.0, 4.0, 24.0
TALL = 360.0  # of the rows together, where there is enough to fill it
THINNEST, THICKEST, GAP = 2.0, 11.0, 3.0
LETTERS, LETTER = 17, 11.0  # of a name at most; how high one is
TONES = 3


@dataclass(frozen=True, slots=True)
class Lane:
    """A node, and its runs in as many lanes as ran at once. ``name`` tells it from all others."""

    pool: str
    node: str
    name: str
    lanes: int
    runs: tuple[tuple[int, Span], ...]


def charts(results: Sequence[Result], tenants: Sequence[str]) -> tuple[Markup, object]:
    """A picture for each policy, and what hovering shows. All span the same time.

    ``tenants`` are those that can be chosen, by place.
    """
    started = [each.gantt for each in results if each.gantt.spans]
    start = min((each.start for each in started), default=0)
    end = min((each.until for each in started), default=0)
    places = {name: at for at, name in enumerate(tenants)}
    figures, hovered = list[Markup](), list[object]()
    for at, result in enumerate(results):
        lanes = stacked([span for span in result.gantt.spans if span.began < end])
        shown, height = _fitting(lanes)
        rows, bottom = _rows(shown, Scale(start, end, LEFT, RIGHT), height, places=places)
        content = markup.join(_times(end - start, bottom), rows)
        runs = sum(len(lane.runs) for lane in shown)
        said = (
            f"{count(runs)} runs on {len(shown)} of {len(lanes)} nodes in {duration(end - start)}"
        )
        table = _table(shown, start, end)
        figures.append(_figure(result, at, content, bottom=bottom, said=said, table=table))
        hovered.append([_told(span, start) for lane in shown for _, span in lane.runs])
    return markup.join(*figures), hovered


def stacked(spans: Sequence[Span]) -> list[Lane]:
    """Runs by node; those that overlap on a node stand in lanes of their own."""
    nodes: dict[tuple[str, str], list[Span]] = {}
    for span in sorted(spans, key=lambda each: (each.pool, each.node, each.began, each.job)):
        nodes.setdefault((span.pool, span.node), []).append(span)
    unlike = len({node for _, node in nodes}) == len(nodes)
    return [
        Lane(pool, node, node if unlike else f"{pool}/{node}", *_side_by_side(some))
        for (pool, node), some in nodes.items()
    ]


def _side_by_side(spans: list[Span]) -> tuple[int, tuple[tuple[int, Span], ...]]:
    """How many lanes it takes, and each run's: the first that is free when it begins."""
    free: list[int] = []
    busy: list[tuple[Instant, int]] = []
    runs, lanes = [], 0
    for span in spans:
        while busy and busy[0][0] <= span.began:
            heappush(free, heappop(busy)[1])
        if free:
            lane = heappop(free)
        else:
            lane, lanes = lanes, lanes + 1
        heappush(busy, (span.until, lane))
        runs.append((lane, span))
    return lanes, tuple(runs)


def _fitting(lanes: Sequence[Lane]) -> tuple[list[Lane], float]:
    """The nodes that have room in one picture, the first by name, and how high a lane is."""
    shown, used = list[Lane](), 0
    for lane in lanes:
        if shown and (used + lane.lanes) * THINNEST + (len(shown) + 1) * GAP > TALL:
            break
        shown.append(lane)
        used += lane.lanes
    room = TALL - len(shown) * GAP
    return shown, max(THINNEST, min(THICKEST, room / used)) if used else THICKEST


def _rows(
    shown: Sequence[Lane], x: Scale, height: float, *, places: dict[str, int]
) -> tuple[Markup, float]:
    """Every node's row, and where the last one ends."""
    rows, y, said = list[Markup](), TOP, 0.0
    for lane in shown:
        middle = y + lane.lanes * height / 2
        if middle - said >= LETTER:  # a name that would run into the last is left out
            name = clip(lane.name, LETTERS)
            rows.append(markup.label(name, LEFT - 8, middle + 3.5, class_="end"))
            said = middle
        rows.append(_row(lane, x, y, height=height, places=places))
        y += lane.lanes * height + GAP
    return markup.join(*rows), y


def _figure(
    result: Result, at: int, content: Markup, *, bottom: float, said: str, table: Markup
) -> Markup:
    picture = markup.picture(
        content,
        size=(WIDTH, bottom + BELOW),
        title=f"First hours under {result.policy}",
        description=said,
        class_=f"chart gantt p{at % 8}",
        data_policy=str(at),
    )
    heading = markup.tag("h3", swatch(at), markup.name(result.policy))
    caption = markup.tag("figcaption", heading, markup.tag("p", markup.text(said)))
    return markup.tag("figure", caption, picture, table, class_=f"s{at}")


def _row(lane: Lane, x: Scale, y: float, *, height: float, places: dict[str, int]) -> Markup:
    bars = (
        _bar(span, x, y + at * height, height=height, tone=places.get(span.tenant, -1))
        for at, span in lane.runs
    )
    below = y + lane.lanes * height + GAP / 2
    return markup.tag(
        "g",
        markup.line((LEFT, below), (RIGHT, below), "grid"),
        *bars,
        data_node=f"{lane.node} · {lane.pool}",
    )


def _bar(span: Span, x: Scale, y: float, *, height: float, tone: int) -> Markup:
    left, right = x.at(span.began), min(x.at(span.until), x.end)
    return markup.tag(
        "rect",
        x=left,
        y=y,
        width=max(right - left - 0.4, 0.5),
        height=max(height - 0.7, 1.0),
        class_=f"b{tone % TONES} t{tone}",
    )


def _times(length: int, y: float) -> Markup:
    x, parts = Scale(0, length, LEFT, RIGHT), [markup.line((LEFT, y), (RIGHT, y), "axis")]
    for after, words in time_ticks(length, 9):
        at = x.at(after)
        parts.append(markup.line((at, y), (at, y + 4), "axis"))
        parts.append(markup.label(words, at, y + 17, class_="middle"))
    return markup.join(*parts)


def _told(span: Span, start: Instant) -> list[object]:
    return [
        span.job,
        span.tenant,
        (span.began - start) // SECOND,
        (span.until - span.began) // SECOND,
    ]


def _table(lanes: Sequence[Lane], start: Instant, end: Instant) -> Markup:
    rows = []
    for lane in lanes:
        busy = sum(min(span.until, end) - max(span.began, start) for _, span in lane.runs)
        cells = [lane.pool, count(len(lane.runs)), str(lane.lanes), amount(busy / HOUR)]
        rows.append([markup.name(lane.node), *map(markup.name, cells)])
    headings = ["node", "pool", "runs begun", "at once at most", "hours of runs"]
    return markup.fallback(
        markup.table(list(map(markup.text, headings)), rows, caption="Runs by node")
    )
