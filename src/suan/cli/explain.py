"""Explanations as people read them: the cause, the pools, and what would change it."""

from suan.cli import format as form
from suan.cli.grid import grid
from suan.cli.output import heading, state
from suan.model.views import CostView, ExplanationView, RefusalView


def waiting(explanation: ExplanationView) -> str:
    """Why a job is where it is."""
    lines = [f"{heading(explanation.job)} is {state(explanation.state)}: {explanation.summary}"]
    lines += _when(explanation)
    if explanation.refusals:
        lines += ["", _refusals(explanation.refusals)]
    if explanation.costs:
        lines += ["", "It could go to:", costs(explanation.costs)]
    return "\n".join(lines)


def planned(explanation: ExplanationView) -> str:
    """Where a job would go."""
    lines = [heading(explanation.summary), *_when(explanation)]
    if explanation.costs:
        lines += ["", costs(explanation.costs)]
    if explanation.refusals:
        lines += ["", _refusals(explanation.refusals)]
    return "\n".join(lines)


def _when(explanation: ExplanationView) -> list[str]:
    lines = []
    if explanation.ahead:
        lines.append(f"{form.counted(explanation.ahead, 'job')} ahead of it in its queue.")
    if explanation.earliest:
        lines.append(f"Earliest start: {form.moment(explanation.earliest)}.")
    return lines


def _refusals(refusals: tuple[RefusalView, ...]) -> str:
    rows = [
        (
            refusal.pool or "(all)",
            refusal.code,
            refusal.detail,
            "no" if refusal.permanent else "yes",
            refusal.unblocked_by,
        )
        for refusal in refusals
    ]
    return grid(("POOL", "WHY NOT", "DETAIL", "WAITING HELPS", "UNBLOCKED BY"), rows)


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
