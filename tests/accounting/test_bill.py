"""The bill: exact on known cases, monotone, additive, and honest about what it assumes."""

import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.accounting import bill
from suan.accounting.energy import accelerator_power_mw
from suan.model.bill import Bill
from suan.model.offer import Terms
from suan.model.pool import Usage
from suan.model.resources import Resources
from suan.model.units import HOUR, SECOND

DOCS = Path(__file__).parents[2] / "docs"

PRICED = Terms(
    cpu_hour=100_000,
    accelerator_hour=(("A100-80GB", 12_000_000), ("T4", 2_000_000)),
    energy_kwh=500_000,
    pue_milli=1250,
    carbon_mg_per_kwh=530_600,
)

resources = st.builds(
    Resources,
    cpu_milli=st.integers(0, 256_000),
    memory_mib=st.integers(0, 1_000_000),
    accelerators=st.dictionaries(
        st.sampled_from(["A100-80GB", "T4", "TOY"]), st.integers(1, 16_000)
    ).map(lambda amounts: tuple(sorted(amounts.items()))),
)
usages = st.none() | st.builds(
    Usage,
    cpu_us=st.none() | st.integers(0, 1000 * HOUR),
    energy_mwh=st.none() | st.integers(0, 10**12),
    energy_method=st.just("nvml"),
    accelerator_utilisation_milli=st.none() | st.integers(0, 1000),
)


def test_the_documents_worked_example_holds() -> None:
    page = DOCS / "explanation" / "the-bill.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 5) == (0, True)


@pytest.mark.parametrize(
    ("counter", "expected_mwh", "method"),
    [
        ("counter:rapl", 8000 + 71_000, "counter:rapl, model:accelerators"),
        ("counter:nvml", 8000 + 4000, "counter:nvml, model:processors"),
        ("counter:rapl+nvml", 8000, "counter:rapl+nvml"),
        ("ipmi", 8000, "counter:ipmi"),
    ],
)
def test_what_no_counter_saw_is_modelled(counter: str, expected_mwh: int, method: str) -> None:
    made = bill(
        per_task=Resources(cpu_milli=1000, accelerators=(("T4", 1000),)),
        tasks=1,
        duration=HOUR,
        usage=Usage(energy_mwh=8000, energy_method=counter, cpu_us=HOUR),
        terms=Terms(),
    )
    assert (made.energy_mwh, made.energy_method) == (expected_mwh, method)


def test_a_counter_goes_before_the_model() -> None:
    used = Usage(energy_mwh=8000, energy_method="rapl", cpu_us=HOUR)
    made = bill(
        per_task=Resources(cpu_milli=1000), tasks=1, duration=HOUR, usage=used, terms=PRICED
    )
    assert (made.energy_mwh, made.energy_method) == (10_000, "counter:rapl")
    assert made.carbon_mg == 5306
    assert made.money == 100_000 + 5000  # a processor-hour, and 0.01 kWh
    assert made.notes == ()


@pytest.mark.parametrize(
    ("cpu_us", "expected_mwh"),
    [(None, 8000), (0, 800), (HOUR // 5, 800), (HOUR, 4000), (3 * HOUR, 12_000)],
)
def test_processors_draw_by_their_load_with_a_floor(cpu_us: int | None, expected_mwh: int) -> None:
    made = bill(
        per_task=Resources(cpu_milli=500),
        tasks=4,
        duration=HOUR,
        usage=Usage(cpu_us=cpu_us),
        terms=Terms(carbon_mg_per_kwh=1),
    )
    assert made.energy_mwh == expected_mwh
    assert any("taken as busy" in note for note in made.notes) == (cpu_us is None)


@pytest.mark.parametrize(
    ("model", "utilisation", "expected", "assumed"),
    [
        ("A100-80GB", 0, 46_000, ""),
        ("A100-80GB", 500, 226_500, ""),
        ("A100-80GB", 1000, 407_000, ""),
        ("A100-80GB", None, 407_000, "100 %"),
        ("H100", None, 700_000, "100 %"),
        ("H100", 500, 350_000, "idle power"),
        ("H800", None, 0, "not known"),
        ("TOY", 500, 0, "not known"),
    ],
)
def test_accelerators_draw_between_idle_and_peak(
    model: str, utilisation: int | None, expected: int, assumed: str
) -> None:
    power, notes = accelerator_power_mw(model, utilisation_milli=utilisation, terms=Terms())
    assert power == expected
    assert len(notes) == bool(assumed)
    assert all(assumed in note for note in notes)


def test_a_pools_own_power_goes_before_the_table() -> None:
    terms = Terms(accelerator_power_mw=(("A100-80GB", 300_000), ("TOY", 5000)))
    assert accelerator_power_mw("A100-80GB", utilisation_milli=1000, terms=terms)[0] == 300_000
    assert accelerator_power_mw("TOY", utilisation_milli=None, terms=terms)[0] == 5000


def test_what_has_no_price_or_factor_is_said() -> None:
    job = Resources(cpu_milli=1000, accelerators=(("H100", 1000),))
    free = bill(per_task=job, tasks=1, duration=HOUR, usage=None, terms=Terms(notes=("a guess",)))
    assert free.money == 0
    assert free.notes[0] == "a guess"
    assert "no grid factor is set: carbon is counted as 0" in free.notes
    priced = bill(per_task=job, tasks=1, duration=HOUR, usage=None, terms=PRICED)
    assert "the pool's terms set no price for H100" in priced.notes


@pytest.mark.parametrize("duration", [0, -SECOND])
def test_a_run_that_never_ran_costs_nothing(duration: int) -> None:
    terms = Terms(currency="EUR", cpu_hour=1)
    made = bill(
        per_task=Resources(cpu_milli=1000), tasks=1, duration=duration, usage=None, terms=terms
    )
    assert made == Bill(currency="EUR")


@given(resources, st.integers(1, 64), st.integers(1, 100 * HOUR), usages)
def test_no_amount_is_negative_and_more_time_never_costs_less(
    per_task: Resources, tasks: int, duration: int, usage: Usage | None
) -> None:
    def amounts(length: int) -> tuple[int, ...]:
        made = bill(per_task=per_task, tasks=tasks, duration=length, usage=usage, terms=PRICED)
        return made.cpu_ms, made.accelerator_ms, made.money, made.energy_mwh, made.carbon_mg

    short, long = amounts(duration), amounts(2 * duration)
    assert min(short) >= 0
    assert all(a <= b for a, b in zip(short, long, strict=True))


@given(resources, st.integers(1, 64), st.integers(1, 100 * HOUR))
def test_tasks_add_up(per_task: Resources, tasks: int, duration: int) -> None:
    gang = bill(per_task=per_task, tasks=tasks, duration=duration, usage=None, terms=PRICED)
    one = bill(per_task=per_task, tasks=1, duration=duration, usage=None, terms=PRICED)
    summed = Bill()
    for _ in range(tasks):
        summed = summed.plus(one)
    for name in ("cpu_ms", "accelerator_ms", "money", "energy_mwh", "carbon_mg"):
        assert abs(getattr(gang, name) - getattr(summed, name)) <= 2 * tasks  # rounding alone
    assert gang.notes == summed.notes
