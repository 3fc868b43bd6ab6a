"""Units in words: the one place where amounts become text for people."""

from collections.abc import Mapping
from datetime import UTC, datetime

from suan.model.bill import Bill
from suan.model.views import AmountView, JobDetail, JobView

_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "JP¥"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def seconds(amount: float) -> str:
    """A duration: ``12 ms``, ``2.1 s``, ``3m20s``, ``2h05m``, ``4d3h``."""
    if amount < 0:
        return "-" + seconds(-amount)
    if 0 < amount < 1:
        return f"{max(1, round(amount * 1000))} ms"
    if amount < _MINUTE:
        return f"{amount:.1f} s" if amount < 10 else f"{amount:.0f} s"
    whole = round(amount)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR}h"


def age(since: datetime | None, until: datetime | None = None) -> str:
    """How long since a moment: one unit, ``12s``, ``5m``, ``3h``, ``2d``; ``-`` for none."""
    if since is None:
        return "-"
    passed = max(0, int(((until or datetime.now(UTC)) - since).total_seconds()))
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if passed >= 2 * size or (unit != "m" and passed >= size and passed % size == 0):
            return f"{passed // size}{unit}"
    return f"{passed}s"


def moment(at: datetime | None) -> str:
    """A moment in the reader's own time zone; ``-`` for none."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "-"


def window(earliest: datetime | None, latest: datetime | None, now: datetime) -> str:
    """A span of time to come: ``between 14:20 and 15:05 (in 12–57 min)``; either end may be
    missing, not both."""
    ends = [max(end, now) for end in (earliest, latest) if end is not None]
    far = any(end.astimezone().date() != now.astimezone().date() for end in ends)
    at = [end.astimezone().strftime("%Y-%m-%d %H:%M" if far else "%H:%M") for end in ends]
    away = f" (in {_away([(end - now).total_seconds() for end in ends])})"
    if len(at) == 2:
        return f"between {at[0]} and {at[1]}{away}" if at[0] != at[1] else f"at {at[0]}{away}"
    return (f"at {at[0]} at the earliest" if earliest else f"by {at[0]} at the latest") + away


def _away(distances: list[float]) -> str:
    """``12–57 min``; in the unit of the farthest, so that they compare at a glance."""
    units = (("d", _DAY), ("h", _HOUR), ("min", _MINUTE))
    unit, size = next((each for each in units if distances[-1] >= 2 * each[1]), ("s", 1))
    told = dict.fromkeys(f"{distance / size:.0f}" for distance in distances)
    return f"{'–'.join(told)} {unit}"


def money(micro: int, currency: str) -> str:
    """An amount of money: two decimals, four below one; nothing is ``¥0``."""
    sign = _SIGNS.get(currency, f"{currency} ")
    if not micro:
        return f"{sign}0"
    amount = abs(micro) / 1_000_000
    digits = 2 if amount >= 1 else 4
    if 0 < amount < 0.00005:
        return f"{'-' if micro < 0 else ''}<{sign}0.0001"
    return f"{'-' if micro < 0 else ''}{sign}{amount:,.{digits}f}"


def energy(mwh: int) -> str:
    """Energy from milliwatt-hours: mWh, Wh, kWh or MWh."""
    return _scaled(mwh, (("MWh", 10**9), ("kWh", 10**6), ("Wh", 10**3), ("mWh", 1)))


def carbon(milligrams: int) -> str:
    """Carbon dioxide equivalents from milligrams: mg, g, kg or t."""
    units = (("t CO2e", 10**9), ("kg CO2e", 10**6), ("g CO2e", 10**3), ("mg CO2e", 1))
    return _scaled(milligrams, units)


def _scaled(amount: int, units: tuple[tuple[str, int], ...]) -> str:
    for unit, size in units:
        if abs(amount) >= size:
            return f"{amount / size:.3g} {unit}" if amount < 1000 * size else f"{amount:,} {unit}"
    return f"0 {units[-1][0]}"


def thousandths(amount: int) -> str:
    """Thousandths as a number: ``8``, ``0.5``."""
    return f"{amount / 1000:g}" if abs(amount) < 10**6 else f"{amount // 1000:,}"


def memory(mib: int) -> str:
    """Memory from MiB."""
    if mib >= 1024 * 1024:
        return f"{mib / (1024 * 1024):.3g} TiB"
    return f"{mib / 1024:.4g} GiB" if mib >= 1024 else f"{mib} MiB"


def accelerators(amounts: Mapping[str, int]) -> str:
    """Accelerators by model: ``A100-80GB:8``; ``-`` for none."""
    return ", ".join(f"{model}:{thousandths(n)}" for model, n in sorted(amounts.items())) or "-"


def amount(of: AmountView) -> str:
    """An amount of resources in one line."""
    parts = [f"{thousandths(of.cpu_milli)} cpu", memory(of.memory_mib)]
    if of.accelerators:
        parts.append(accelerators(of.accelerators))
    return ", ".join(parts)


def used_of(free: int, total: int) -> str:
    """Free of total, in thousandths: ``3/4``."""
    return f"{thousandths(free)}/{thousandths(total)}"


def bill(of: Bill) -> str:
    """A bill in one line: device time, money, energy, carbon, and how the energy is known."""
    parts = [f"{seconds(of.cpu_ms / 1000)} × cpu"]
    if of.accelerator_ms:
        parts.append(f"{seconds(of.accelerator_ms / 1000)} × accelerator")
    return " · ".join([*parts, *_amounts(of)])


def _amounts(of: Bill) -> tuple[str, ...]:
    """Money, energy, carbon; what was measured as less than the least unit is not nothing."""
    least = "<1 " if of.energy_method else "0 "
    return (
        money(of.money, of.currency),
        energy(of.energy_mwh) if of.energy_mwh else least + "mWh",
        (carbon(of.carbon_mg) if of.carbon_mg else least + "mg CO2e")
        + (f" ({of.energy_method})" if of.energy_method else ""),
    )


def bill_amounts(of: Bill) -> str:
    """What a bill comes to, without the device time: ``¥0 · 20 mWh · 10 mg CO2e (…)``."""
    return " · ".join(_amounts(of))


def ran(detail: JobDetail) -> str:
    """How long a job's runs took together."""
    return seconds(
        sum(
            (run.ended_at - run.started_at).total_seconds()
            for run in detail.runs
            if run.started_at and run.ended_at
        )
    )


def needs(job: JobView) -> str:
    """What a job asked for: ``4 × (cpus 0.25, memory 128 MiB)``."""
    return f"{size(job)} × ({job.resources})" if most(job) > 1 else job.resources


def most(job: JobView) -> int:
    """How many nodes a run of a job may have."""
    return job.max_nodes or job.num_nodes


def size(job: JobView) -> str:
    """How many nodes a job is for: ``4``, or ``2..8``; one that runs has ``3 of 2..8``."""
    if job.max_nodes is None:
        return str(job.num_nodes)
    bounds = f"{job.num_nodes}..{job.max_nodes}"
    return f"{job.nodes} of {bounds}" if job.state == "running" and job.nodes else bounds


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 job``, ``3 jobs``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
