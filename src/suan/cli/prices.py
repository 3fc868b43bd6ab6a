"""Prices on the command line: ``A100=6.5,cpu=0.05,kwh=0.4``, an hour of each, and energy."""

from decimal import Decimal, InvalidOperation
from typing import Any

import click

_CPU, _KWH = ("cpu", "cpus"), ("kwh", "energy")
_MOST = Decimal(10) ** 9


class PricesByKind(click.ParamType[dict[str, Any]]):
    """Prices by kind, as the API takes them: in micro-units."""

    name = "prices"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        found: dict[str, Any] = {"accelerator_hour": {}}
        for piece in str(value).split(","):
            kind, equals, price = piece.partition("=")
            if not equals or not kind.strip():
                self.fail(f"{piece.strip()!r} is not KIND=PRICE; write A100=6.5,cpu=0.05", param)
            try:
                micro = self._micro(price)
            except (InvalidOperation, ValueError):
                self.fail(f"{price.strip()!r} is no price", param, ctx)
            name = kind.strip()
            if name.casefold() in _CPU:
                found["cpu_hour"] = micro
            elif name.casefold() in _KWH:
                found["energy_kwh"] = micro
            else:
                found["accelerator_hour"][name] = micro
        return found

    def _micro(self, text: str) -> int:
        price = Decimal(text.strip())
        if not 0 <= price <= _MOST:
            raise ValueError(text)
        return int(price * 1_000_000)


PRICES = PricesByKind()
