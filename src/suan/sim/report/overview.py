"""What a page begins with: in a sentence, and in a table."""

from collections.abc import Sequence

from suan.sim.report import markup
from suan.sim.report.figures import HEADINGS, Figure, best, told
from suan.sim.report.markup import Markup
from suan.sim.report.wording import change, count, duration
from suan.sim.results import Result

ROOMY = 4  # more policies stand closer together
LEVEL = 0.95  # a least value of at least so much of the greatest needs no bars to tell them apart


def swatch(at: int) -> Markup:
    """The colour of the policy at this place."""
    return markup.tag("i", class_=f"swatch p{at % 8}")


def lead(results: Sequence[Result]) -> Markup:
    """The mean waits, in a sentence."""
    first = results[0]
    waited = first.overall.mean_wait
    said = [
        markup.text(f"{count(first.jobs)} jobs over {duration(first.makespan)}. Under "),
        markup.tag("b", markup.name(first.policy)),
        markup.text(f" a job waits {duration(waited)} on average"),
    ]
    for each in results[1:]:
        mean = each.overall.mean_wait
        said.append(markup.text("; under "))
        said.append(markup.tag("b", markup.name(each.policy)))
        said.append(markup.text(f" {duration(mean)} ({change(mean, waited)})"))
    return markup.tag("p", *said, markup.text("."), class_="lead")


def summary(results: Sequence[Result]) -> Markup:
    """Every figure of every policy, the best in bold, and how it compares with the first."""
    headings = [
        markup.tag("th", swatch(at), markup.name(each.policy), scope="col", class_=f"s{at}")
        for at, each in enumerate(results)
    ]
    rows, part = [], ""
    for figure in told(tuple(results)):
        if figure.part != part:
            part = figure.part
            rows.append(_part(HEADINGS[part], len(results) + 1))
        rows.append(_row(figure, results))
    table = markup.tag(
        "table",
        markup.tag("caption", markup.text("Every policy's figures")),
        markup.tag("thead", markup.tag("tr", markup.tag("td"), *headings)),
        markup.tag("tbody", *rows),
    )
    dense = " dense" if len(results) > ROOMY else ""
    return markup.tag("div", table, class_=f"scroll summary{dense}")


def _part(words: str, columns: int) -> Markup:
    heading = markup.tag("th", markup.text(words), scope="rowgroup", colspan=columns)
    return markup.tag("tr", heading, class_="part")


def _row(figure: Figure, results: Sequence[Result]) -> Markup:
    values = [figure.value(each) for each in results]
    cells = (_cell(figure, values, at) for at in range(len(values)))
    return markup.tag("tr", markup.tag("th", markup.text(figure.label), scope="row"), *cells)


def _cell(figure: Figure, values: list[float], at: int) -> Markup:
    value, most = values[at], max(values)
    parts = [markup.tag("span", markup.text(figure.shown(value)), class_="value")]
    if at:
        moved = change(value, values[0])
        parts.append(markup.tag("span", markup.text(moved), class_="moved"))
    if figure.better and min(values) < LEVEL * most:
        bar = markup.tag("i", class_=f"p{at % 8}", style=f"width:{100 * value / most:.1f}%")
        parts.append(markup.tag("span", bar, class_="bar"))
    winner = " best" if value == best(figure, values) and values.count(value) == 1 else ""
    return markup.tag("td", *parts, class_=f"s{at}{winner}")
