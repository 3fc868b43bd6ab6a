"""Explanations as people read them: the cause, the pools, and what would change it."""

import shutil
import sys
from datetime import UTC, datetime
from textwrap import fill

from suan.cli import format as form
from suan.cli.grid import grid
from suan.cli.output import heading, state
from suan.model.views import CostView, ExplanationView, RefusalView

_MOST_NAMES = 8  # of pools that say the same


def waiting(explanation: ExplanationView) -> str:
    """Why a job is where it is."""
    said = _sentence(explanation)
    lines = [_wrapped(f"{heading(explanation.job)} is {state(explanation.state)}: {said}")]
    lines += _when(explanation)
    if explanation.last_run:
        lines.append(_wrapped(f"Its last run: {explanation.last_run}."))
    lines += _refusals(explanation.refusals)
    if explanation.costs:
        lines += ["", "It could go to:", costs(explanation.costs)]
    return "\n".join(lines)


def shortly(explanation: ExplanationView) -> str:
    """One clause: the first refusal's detail, with its pool."""
    if not explanation.refusals:
        return explanation.summary
    first = explanation.refusals[0]
    return f"{first.pool}: {first.detail}" if first.pool else first.detail


def planned(explanation: ExplanationView) -> str:
    """Where a job would go."""
    said = _sentence(explanation)
    lines = [_wrapped(heading(said[:1].upper() + said[1:])), *_when(explanation)]
    if explanation.costs:
        lines += [_cost(explanation.costs)]
    return "\n".join(lines + _refusals(explanation.refusals))


def _sentence(explanation: ExplanationView) -> str:
    """The cause in one sentence; what one pool says of itself stands below and not here too."""
    if explanation.costs or len(explanation.refusals) != 1:
        return explanation.summary
    only = explanation.refusals[0]
    if only.pool is None:
        return f"{only.detail}."
    if only.permanent:
        return f"the only pool, {only.pool}, cannot run it as things are."
    return f"it waits for the only pool, {only.pool}."


def _when(explanation: ExplanationView) -> list[str]:
    lines = []
    if explanation.ahead:
        lines.append(f"{form.counted(explanation.ahead, 'job')} ahead of it.")
    if explanation.earliest or explanation.latest:
        span = form.window(explanation.earliest, explanation.latest, datetime.now(UTC))
        why = f", resting on {explanation.rests_on}" if explanation.rests_on else ""
        lines.append(_wrapped(f"It may start {span}{why}."))
    elif explanation.rests_on:
        lines.append(_wrapped(f"When it may start is {explanation.rests_on}."))
    if explanation.due:
        lines.append(_wrapped(explanation.due))
    return lines


def _refusals(refusals: tuple[RefusalView, ...]) -> list[str]:
    """A block for each reason, with the pools that give it."""
    blocks: dict[tuple[str, str, str, bool], list[str]] = {}
    for each in refusals:
        key = (each.code, each.detail, each.unblocked_by, each.permanent)
        blocks.setdefault(key, []).append(each.pool or "every pool")
    lines = []
    for (code, detail, unblocked_by, permanent), pools in blocks.items():
        more = f" and {len(pools) - _MOST_NAMES:,} more" if len(pools) > _MOST_NAMES else ""
        patience = "; waiting alone does not help" if permanent else ""
        lines += [
            "",
            f"  {heading(', '.join(pools[:_MOST_NAMES]))}{more}: {code}{patience}",
            _wrapped(detail, "    "),
            _wrapped(f"goes on when {unblocked_by}", "    "),
        ]
    return lines


def _wrapped(text: str, indent: str = "") -> str:
    """A paragraph in the terminal's window; as it is where a program reads it."""
    if not sys.stdout.isatty():
        return indent + text
    wide = min(shutil.get_terminal_size().columns, 100)
    return fill(
        text,
        max(wide, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cost(offers: tuple[CostView, ...]) -> str:
    if any(offer.total for offer in offers):
        return f"\n{costs(offers)}"
    return f"{form.money(0, offers[0].currency)} an hour: nothing has a price here."


def costs(offers: tuple[CostView, ...]) -> str:
    """What the pools that could take a job cost an hour, cheapest first, term by term."""
    terms = list(dict.fromkeys(term for offer in offers for term in offer.terms))
    headings = ("", "POOL", *(term.upper().replace("_", " ") for term in terms), "TOTAL/H")
    rows = [
        (
            "→" if index == 0 else "",
            offer.pool,
            *(form.money(offer.terms.get(term, 0), offer.currency) for term in terms),
            form.money(offer.total, offer.currency),
        )
        for index, offer in enumerate(offers)
    ]
    return grid(headings, rows, right=headings[2:])
