"""Durations on the command line: ``90s``, ``30m``, ``12h``, ``7d``, or plain seconds."""

from typing import Any

import click

from suan.model.units import SECOND


class DurationSeconds(click.ParamType[int]):
    """Whole seconds, written as a job file writes durations."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        from suan.jobfile.quantities import parse_duration

        try:
            found = parse_duration(value) // SECOND
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found <= 0:
            self.fail("it must be at least a second", param, ctx)
        return found


DURATION_S = DurationSeconds()
