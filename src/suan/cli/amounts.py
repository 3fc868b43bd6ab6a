"""Amounts on the command line: ``A100=8,cpu=64,memory=512GB``, or ``none``."""

from typing import Any

import click

from suan.model.views import BoundsView, bounds_view


class AmountsByKind(click.ParamType[BoundsView]):
    """Amounts by kind; models of accelerators in their one spelling."""

    name = "amounts"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> BoundsView:
        if isinstance(value, BoundsView):
            return value
        from suan.jobfile.amounts import parse_amounts

        try:
            return bounds_view(parse_amounts(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


AMOUNTS = AmountsByKind()


def shown(bounds: BoundsView | None) -> str:
    """Amounts as they are written; ``-`` for none."""
    from suan.jobfile.amounts import format_amounts

    return format_amounts(bounds.amounts) if bounds and bounds.amounts else "-"
