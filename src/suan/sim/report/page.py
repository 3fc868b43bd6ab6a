"""One page that holds everything: figures, pictures, and the little script that lets one choose."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from suan.sim.report import curves, dots, gantt, lines, markup
from suan.sim.report.comparison import compared
from suan.sim.report.lines import Measure
from suan.sim.report.markup import Markup
from suan.sim.report.overview import lead, summary, swatch
from suan.sim.report.wording import count, percent
from suan.sim.results import Result

QUEUE = Measure(
    "queue",
    "Jobs waiting",
    lambda _, bucket: bucket.pending,
    lambda _, bucket: bucket.span,
    count,
    count,
)
UTILISATION = Measure(
    "utilisation",
    "Utilisation",
    lambda timeline, bucket: timeline.used(bucket),
    lambda timeline, bucket: timeline.offered(bucket),
    percent,
    "{:.0%}".format,
    most=1.0,
    points=128,  # it jumps about: finer lines hide each other
)
DEFINITIONS = (
    "Wait: time in the system without running, over all of a job's runs, of jobs that ran. "
    "Completion: from submission to the end. Slowdown: completion over useful run time, where a "
    "run counts as ten seconds at least and a slowdown as one. Utilisation: devices in use over "
    "devices there were, accelerators if there were any, else processors. Lost: device time that "
    "preemption, failure or loss threw away. Means are exact; quantiles are good to 0.8 %. "
    "×: against the first policy."
)
RUNS = (
    "Each bar is a run, drawn at the first of its nodes. Tones set tenants apart; "
    "choose one above to see its runs alone."
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures, each with the numbers that hovering shows."""

    queue: tuple[Markup, object]
    used: tuple[Markup, object]
    runs: tuple[Markup, object]


def html(results: Sequence[Result], *, title: str, notes: Sequence[str] = ()) -> str:
    """A page about these results, the first of which the others are compared with.

    It asks for nothing from outside and holds its pictures as SVG; without scripts all but
    choosing and hovering works. ``notes`` say what was simulated and what was assumed. Whatever
    is written in names and notes is shown as it is. At least one result.
    """
    results = tuple(results)
    drawn = Drawn(
        queue=lines.chart(results, QUEUE),
        used=lines.chart(results, UTILISATION),
        runs=gantt.charts(results, _tenants(results)),
    )
    body = markup.join(
        _header(results, title, notes),
        _keys(results),
        markup.tag("main", *_sections(results, drawn)),
        markup.tag("footer", markup.tag("p", markup.text(DEFINITIONS))),
        markup.tag("div", id="tip", hidden=""),
        _scripts(results, drawn),
    )
    page = markup.tag("html", _head(title), markup.tag("body", body), lang="en")
    return f"<!doctype html>\n{page}\n"


def _sections(results: tuple[Result, ...], drawn: Drawn) -> Iterator[Markup]:
    devices = "accelerators" if results[0].accelerated else "processors"
    yield _section("Summary", summary(results))
    yield _section(
        "Over time",
        _figure(QUEUE.title, "how many jobs were in line, on average", drawn.queue[0]),
        _figure(UTILISATION.title, f"the share of {devices} in use", drawn.used[0]),
    )
    waited = "the share of jobs that waited at most so long"
    yield _section(
        "Waiting",
        _figure("How long jobs waited", waited, curves.chart(results)),
        curves.multiples(results),
    )
    if who := dots.charts(results):
        yield _section("Who waits", who)
    if any(each.gantt.spans for each in results):
        note = markup.tag("p", markup.text(RUNS), class_="soft")
        yield _section("The first hours", note, drawn.runs[0])


def _head(title: str) -> Markup:
    digest = b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return markup.tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        markup.tag("title", markup.text(title)),
        markup.tag("style", Markup(_asset("page.css"))),
    )


def _header(results: tuple[Result, ...], title: str, notes: Sequence[str]) -> Markup:
    return markup.tag(
        "header",
        markup.tag("p", markup.text("suan · simulation"), class_="kicker"),
        markup.tag("h1", markup.name(title)),
        lead(results),
        markup.tag("ul", *(markup.tag("li", markup.name(each)) for each in notes)),
    )


def _keys(results: tuple[Result, ...]) -> Markup:
    """The policies and their colours, always in sight; with scripts each can be put out."""
    return markup.tag("nav", *_buttons(results), _selector(results), aria_label="what is shown")


def _buttons(results: Sequence[Result]) -> Iterator[Markup]:
    for at, each in enumerate(results):
        yield markup.tag(
            "button",
            swatch(at),
            markup.name(each.policy),
            type="button",
            class_="key",
            data_policy=str(at),
            aria_pressed="true",
        )


def _selector(results: tuple[Result, ...]) -> Markup:
    options = [markup.tag("option", markup.text("everyone"), value=curves.EVERYONE)]
    found: dict[str, list[Markup]] = {}
    for key, words, row in curves.selectable(results):
        option = markup.tag("option", markup.text(row.name), value=key)
        found.setdefault(words, []).append(option)
    options += [markup.tag("optgroup", *some, label=words) for words, some in found.items()]
    choose = markup.tag("select", *options, id="group")
    return markup.tag("label", markup.text("jobs of "), choose, class_="scripted")


def _section(heading: str, *contents: Markup) -> Markup:
    return markup.tag("section", markup.tag("h2", markup.text(heading)), *contents)


def _figure(title: str, what: str, picture: Markup) -> Markup:
    heading = markup.tag("h3", markup.text(title))
    caption = markup.tag("figcaption", heading, markup.tag("p", markup.text(what)))
    return markup.tag("figure", caption, picture)


def _tenants(results: tuple[Result, ...]) -> list[str]:
    return [row.name for row in compared(results, "tenants") if not row.others]


def _scripts(results: tuple[Result, ...], drawn: Drawn) -> Markup:
    hovered = {
        "policies": [each.policy for each in results],
        QUEUE.key: drawn.queue[1],
        UTILISATION.key: drawn.used[1],
        "gantt": drawn.runs[1],
    }
    return markup.join(
        markup.tag("script", markup.data(hovered), type="application/json", id="data"),
        markup.tag("script", Markup(_asset("page.js"))),
    )


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
