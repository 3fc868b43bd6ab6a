"""Charts over time: every policy's line in one picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suan.model.units import Instant
from suan.sim.report import markup
from suan.sim.report.markup import Markup
from suan.sim.report.scales import Scale, round_ticks, time_ticks
from suan.sim.report.wording import duration
from suan.sim.results import Bucket, Result, Timeline

WIDTH, HEIGHT = 960.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 950.0, 10.0, 168.0
POINTS = 256  # of one line: more cannot be told apart
ROWS = 24  # of the table behind it
TICKS = 9
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Measure:
    """What a chart shows: the ratio of two integrals, up to ``most`` if it has an end.

    ``shown`` puts a value in words, ``marked`` one of the axis.
    """

    key: str
    title: str
    above: Callable[[Timeline, Bucket], float]
    below: Callable[[Timeline, Bucket], float]
    shown: Callable[[float], str]
    marked: Callable[[float], str]
    most: float | None = None
    points: int = POINTS


@dataclass(frozen=True, slots=True)
class Course:
    """A measure over time under one policy: equal steps of ``width``, of which the last is cut."""

    start: Instant
    end: Instant
    width: int
    values: tuple[float, ...]


def course(timeline: Timeline, measure: Measure, many: int) -> Course:
    """At most ``many`` exact means over as many buckets each as that takes."""
    buckets = timeline.buckets
    step = max(1, -(-len(buckets) // many))
    values = []
    for at in range(0, len(buckets), step):
        some = buckets[at : at + step]
        below = sum(measure.below(timeline, each) for each in some)
        above = sum(measure.above(timeline, each) for each in some)
        values.append(above / below if below else 0.0)
    return Course(timeline.start, timeline.end, timeline.width * step, tuple(values))


def chart(results: Sequence[Result], measure: Measure) -> tuple[Markup, object]:
    """The picture with its table, and the numbers that hovering shows."""
    courses = [course(each.timeline, measure, measure.points) for each in results]
    start = min((each.start for each in courses), default=0)
    end = max((each.end for each in courses), default=0)
    x = Scale(start, end, LEFT, RIGHT)
    highest = max((max(each.values, default=0.0) for each in courses), default=0.0)
    marks = round_ticks(measure.most or highest, 4)
    y = Scale(0, max(marks[-1], 1e-9), BOTTOM, TOP)
    lines = (
        markup.tag("path", d=_steps(each, x, y), class_=f"line p{at % 8} s{at}")
        for at, each in reversed(list(enumerate(courses)))
    )
    content = markup.join(
        _grid(measure, marks, y),
        _times(end - start, x, start),
        *lines,
        markup.line((0, TOP), (0, BOTTOM), "cross"),
    )
    picture = markup.picture(
        content,
        size=(WIDTH, HEIGHT),
        title=measure.title,
        description=_description(results, measure, courses),
        class_="chart time",
        data_chart=measure.key,
        data_left=LEFT,
        data_right=RIGHT,
    )
    return markup.join(picture, _table(results, measure)), _hovered(courses, start, end)


def _grid(measure: Measure, marks: list[float], y: Scale) -> Markup:
    parts = []
    for mark in marks:
        at = y.at(mark)
        parts.append(markup.line((LEFT, at), (RIGHT, at), "grid" if mark else "axis"))
        parts.append(markup.label(measure.marked(mark), LEFT - 8, at + 3.5, class_="end"))
    return markup.join(*parts)


def _times(length: int, x: Scale, start: Instant) -> Markup:
    parts = []
    for after, words in time_ticks(length, TICKS):
        at = x.at(start + after)
        parts.append(markup.line((at, BOTTOM), (at, BOTTOM + 4), "axis"))
        parts.append(markup.label(words, at, BOTTOM + 17, class_="middle"))
    return markup.join(*parts)


def _steps(course: Course, x: Scale, y: Scale) -> str:
    if not course.values:
        return ""
    path = f"M{markup.number(x.at(course.start))} {markup.number(y.at(course.values[0]))}"
    last = None
    for at, value in enumerate(course.values):
        height = markup.number(y.at(value))
        ends = min(course.start + (at + 1) * course.width, course.end)
        path += ("" if height == last else f"V{height}") + f"H{markup.number(x.at(ends))}"
        last = height
    return path


def _hovered(courses: list[Course], start: Instant, end: Instant) -> object:
    return {
        "start": 0,
        "end": end - start,
        "lines": [
            {
                "start": each.start - start,
                "end": each.end - start,
                "width": each.width,
                "values": [float(f"{value:.{DIGITS}g}") for value in each.values],
            }
            for each in courses
        ],
    }


def _description(results: Sequence[Result], measure: Measure, courses: list[Course]) -> str:
    said = [
        f"{result.policy} at most {measure.shown(max(each.values, default=0.0))}"
        for result, each in zip(results, courses, strict=True)
    ]
    return f"Means over {duration(courses[0].width)}: {'; '.join(said)}" if courses else ""


def _table(results: Sequence[Result], measure: Measure) -> Markup:
    """Some two dozen rows of each policy's course, by its own steps."""
    rows = []
    for result in results:
        coarse = course(result.timeline, measure, ROWS)
        for at, value in enumerate(coarse.values):
            since = duration(at * coarse.width)
            cells = (result.policy, since, measure.shown(value))
            rows.append([markup.name(cells[0]), *map(markup.text, cells[1:])])
    headings = [markup.text(each) for each in ("policy", "from", measure.title.lower())]
    return markup.fallback(markup.table(headings, rows, caption=measure.title))
