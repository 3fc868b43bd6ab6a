"""The reference tables: complete, consistent, sourced, and found by the names people use."""

import subprocess
import sys

import pytest

from suan.facts import accelerators, devices, frameworks, grid, sites
from suan.facts.reading import TABLES, read


@pytest.mark.parametrize("table", sorted(path.stem for path in TABLES.glob("*.csv")))
def test_every_row_is_whole_and_names_its_source(table: str) -> None:
    for row in read(table):
        assert None not in row, row  # more cells than columns
        assert None not in row.values(), row  # fewer
        sources = [name for name in row if name.endswith(("source", "basis"))]
        assert sources
        assert all(row[name] for name in sources), row


def test_the_map_has_eight_hubs_and_ten_clusters_each_of_a_hub() -> None:
    hubs = {site.site for site in sites.sites() if site.kind == "hub"}
    clusters = [site for site in sites.sites() if site.kind == "cluster"]
    assert (len(hubs), len(clusters)) == (8, 10)
    assert {cluster.parent for cluster in clusters} == hubs


@pytest.mark.parametrize("name", ["horinger", "Horinger cluster", "HORINGER", "和林格尔集群"])
def test_a_site_is_found_by_any_of_its_names(name: str) -> None:
    found = sites.site(name)
    assert found is not None
    assert found.site == "horinger"
    assert (found.pue_milli, found.carbon_mg_per_kwh) == (1200, 647_900)
    assert "Inner Mongolia province" in found.basis


def test_an_unknown_place_gets_the_national_average_and_says_so() -> None:
    assert sites.site("here") is None
    here = sites.conditions("here")
    assert (here.pue_milli, here.carbon_mg_per_kwh) == (1000, 530_600)
    assert here.basis.count("assumption") == 2


def test_a_known_place_keeps_its_own_conditions() -> None:
    guian = sites.conditions("guian")
    assert (guian.pue_milli, guian.carbon_mg_per_kwh) == (1200, 568_300)


@pytest.mark.parametrize(
    ("province", "region", "expected"),
    [
        ("Sichuan", "southwest", 156_400),
        ("Atlantis", "southwest", 247_200),
        ("Atlantis", "sea", 530_600),
        (None, None, 530_600),
    ],
)
def test_the_nearest_known_factor_is_taken(
    province: str | None, region: str | None, expected: int
) -> None:
    assert grid.factor_mg_per_kwh(province, region) == expected


def test_west_is_not_uniformly_greener_than_east() -> None:
    assert grid.factor_mg_per_kwh("Ningxia") > grid.factor_mg_per_kwh("Guangdong")
    assert grid.factor_mg_per_kwh("Sichuan") < grid.factor_mg_per_kwh("Guangdong")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("A100", "A100-80GB"),
        ("a100-80gb", "A100-80GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("910B", "Ascend910B3"),
        ("mlu370", "MLU370-X8"),
        ("gpu", "*"),
        ("NPU", "*"),
        ("*", "*"),
        ("toy card", "TOY-CARD"),
        ("Toy_Card", "TOY-CARD"),
    ],
)
def test_a_model_has_one_spelling(written: str, expected: str) -> None:
    assert accelerators.canonical(written) == expected
    assert accelerators.canonical(expected) == expected


def test_no_name_means_two_accelerators() -> None:
    owner: dict[str, str] = {}
    for each in accelerators.accelerators():
        for name in (each.model, *each.aliases):
            assert owner.setdefault(accelerators.canonical(name), each.model) == each.model
            assert accelerators.canonical(name) == each.model


def test_unknown_figures_are_none_and_known_ones_are_in_their_unit() -> None:
    a100 = accelerators.accelerator("a100")
    assert a100 is not None
    assert (a100.power_mw, a100.idle_mw, a100.peak_mw) == (400_000, 46_000, 407_000)
    h800 = accelerators.accelerator("H800")
    assert h800 is not None
    assert (h800.memory_gb, h800.power_mw, h800.idle_mw) == (None, None, None)
    assert accelerators.accelerator("toy card") is None


def test_every_accelerator_but_the_vehicles_chips_has_its_vendors_device_names() -> None:
    vendors = {each.vendor for each in accelerators.accelerators()} - {"Horizon"}
    assert vendors <= set(devices.DEVICES)
    assert devices.vendor_of("910C") == "Huawei"
    assert devices.vendor_of("toy card") is None
    assert devices.DEVICES["Hygon"].framework_visible_env == "HIP_VISIBLE_DEVICES"
    assert "cambricon.com/vmlu" in devices.DEVICES["Cambricon"].kubernetes_resources


def test_frameworks_are_known_by_their_aliases_and_others_are_kept() -> None:
    assert frameworks.canonical("Torch") == "pytorch"
    assert frameworks.canonical("PaddlePaddle") == "paddlepaddle"
    assert frameworks.canonical(" OneFlow ") == "oneflow"


def test_importing_reads_no_table_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from suan.facts import accelerators, devices, frameworks, grid, power, sites;"
        "assert sites.sites.cache_info().currsize == 0;"
        "assert not {'decimal', 'importlib.resources', 'json'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
