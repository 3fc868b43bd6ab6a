"""Accelerators: one spelling for each model, and what is known of it."""

from dataclasses import dataclass
from functools import cache

from suan.facts.reading import names, number, read, scaled
from suan.model.resources import ANY_ACCELERATOR

ANY_NAMES = frozenset({ANY_ACCELERATOR, "gpu", "gpus", "npu", "accelerator", "any"})
_MAKERS = ("nvidia", "tesla", "geforce", "amd", "huawei", "cambricon", "hygon")


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One model. ``None`` where no source was found; TFLOPS are dense FP16/BF16.

    ``power_mw`` is the vendor's figure for a busy device; ``idle_mw`` and ``peak_mw`` are measured
    ends of its range, where someone has published them.
    """

    model: str
    vendor: str
    aliases: tuple[str, ...]
    memory_gb: float | None
    bandwidth_tb_s: float | None
    dense_fp16_tflops: float | None
    power_mw: int | None
    idle_mw: int | None
    peak_mw: int | None
    unit: str
    source: str


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """Every model of the table, in its order."""
    return tuple(_accelerator(row) for row in read("accelerators"))


def canonical(name: str) -> str:
    """The one spelling of a model's name that requests, pools and bills share.

    Case, blanks, ``-``, ``_`` and a leading maker's name do not matter. ``*``, ``gpu`` and ``npu``
    mean any model and give ``*``. A name that several variants share gives the one that the table
    lists it under: ``A100`` is ``A100-80GB``. A model that is not in the table is upper-cased and
    joined by ``-``, so that ``toy card`` in a job meets ``Toy_Card`` in a pool.
    """
    if name.strip().casefold() in ANY_NAMES:
        return ANY_ACCELERATOR
    words = _words(name)
    found = _by_key().get("".join(words))
    return found.model if found else "-".join(words).upper()


def accelerator(name: str) -> Accelerator | None:
    """What is known of a model, by any of its names; ``None`` if it is not in the table."""
    return _by_key().get("".join(_words(name)))


@cache
def _by_key() -> dict[str, Accelerator]:
    return {
        "".join(_words(name)): each
        for each in accelerators()
        for name in (*each.aliases, each.model)
    }


def _words(name: str) -> list[str]:
    words = name.casefold().replace("-", " ").replace("_", " ").split()
    while len(words) > 1 and words[0] in _MAKERS:
        words = words[1:]
    return words


def _accelerator(row: dict[str, str]) -> Accelerator:
    return Accelerator(
        model=row["model"],
        vendor=row["vendor"],
        aliases=names(row["aliases"]),
        memory_gb=number(row["memory_gb"]),
        bandwidth_tb_s=number(row["bandwidth_tb_s"]),
        dense_fp16_tflops=number(row["dense_fp16_tflops"]),
        power_mw=scaled(row["power_w"], 1000),
        idle_mw=scaled(row["idle_w"], 1000),
        peak_mw=scaled(row["peak_w"], 1000),
        unit=row["unit"],
        source=row["source"],
    )
