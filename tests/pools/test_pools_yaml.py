"""``pools.yaml``: what it may say, and what is said when it says something else."""

from pathlib import Path

import pytest

from suan.model.errors import InputError
from suan.model.pool import Patience
from suan.model.resources import Resources
from suan.model.units import SECOND
from suan.pools.declaration import PoolDeclaration
from suan.pools.declared import load_pools

REGION = """\
pools:
  - name: gansu
    kind: local
    site: qingyang
    nodes:
      - {count: 2, cpus: 64, memory: 512GB, accelerators: {A100: 8}}
      - {name: fat, cpus: 128, memory: 2TB}
    prices:
      currency: CNY
      cpu_hour: 0.05
      accelerator_hour: {a100: 6.5}
      energy_kwh: 0.35
      carbon_kg: 0.1
    frameworks: [PyTorch, vllm]
    labels: {tier: cheap}
    pue: 1.12
    grace_s: 2.5
  - name: here
"""


def load(tmp_path: Path, text: str) -> tuple[PoolDeclaration, ...]:
    path = tmp_path / "pools.yaml"
    path.write_text(text, encoding="utf-8")
    return load_pools(path, home=tmp_path)


def test_without_a_file_this_machine_is_the_pool(tmp_path: Path) -> None:
    (declaration,) = load_pools(None, home=tmp_path)
    assert (declaration.name, declaration.kind, declaration.nodes) == ("local", "local", None)
    terms = declaration.offer.terms
    assert (terms.site, terms.pue_milli, terms.carbon_mg_per_kwh) == ("here", 1000, 530_600)
    assert sum("assumption" in note for note in terms.notes) == 3
    assert declaration.offer.capabilities == ("logs", "watch", "preempt", "deliver", "outputs")


def test_a_region_on_one_machine(tmp_path: Path) -> None:
    gansu, here = load(tmp_path, REGION)
    assert gansu.nodes is not None
    assert [node.name for node in gansu.nodes] == ["gansu-1", "gansu-2", "fat"]
    big = Resources(64_000, 512 * 1024, (("A100-80GB", 8000),))
    assert [node.total for node in gansu.nodes[:2]] == [big, big]
    terms = gansu.offer.terms
    assert terms.site == "qingyang"
    assert (terms.cpu_hour, terms.energy_kwh, terms.carbon_kg) == (50_000, 350_000, 100_000)
    assert terms.accelerator_hour == (("A100-80GB", 6_500_000),)
    assert terms.accelerator_power_mw == (("A100-80GB", 400_000),)  # its own models, no more
    assert terms.pue_milli == 1120
    assert terms.carbon_mg_per_kwh == 447_100
    assert gansu.offer.frameworks == ("pytorch", "vllm")
    assert gansu.offer.labels == (("tier", "cheap"),)
    assert gansu.options == {"grace_us": "2500000"}
    assert (here.name, here.nodes) == ("here", None)
    assert here.where.endswith("pools.yaml:18")


def test_a_model_without_a_known_power_is_noted(tmp_path: Path) -> None:
    text = """pools:
  - name: toys
    nodes: [{cpus: 8, memory: 16GB, accelerators: {toy card: 2}}]
"""
    (pool,) = load(tmp_path, text)
    assert pool.offer.terms.accelerator_power_mw == ()
    assert "power of TOY-CARD is not known: counted as 0 (assumption)" in pool.offer.terms.notes


@pytest.mark.parametrize(
    ("text", "line", "said", "mend"),
    [
        ("", 1, "empty", "pools:"),
        ("pools: []\n", 1, "declares no pools", "kind: local"),
        ("- a\n", 1, "must be a mapping", "name: value"),
        ("pools:\n  - name: [\n", 3, "not YAML", "syntax"),
        ("pools: 3\n", 1, "must be a list", "- item"),
        ("pools:\n - name: a\npool: 1\n", 3, "no field 'pool'", "did you mean 'pools'?"),
        ("pools:\n - kind: local\n", 2, "needs a name", "lower-case"),
        ("pools:\n - name: Not_Good\n", 2, "not 'Not_Good'", "lower-case"),
        ("pools:\n - name: a\n   kind: slurmy\n", 3, "called 'slurmy'", "known kinds: "),
        ("pools:\n - name: a\n - name: a\n", 3, "two pools are called 'a'", "pools.yaml:2"),
        ("pools:\n - name: a\n   name: b\n", 3, "'name' twice", "keep one"),
        ("pools:\n - name: a\n   sites: x\n", 3, "no field 'sites'", "did you mean 'site'?"),
        ("pools:\n - name: a\n   zzz: x\n", 3, "no field 'zzz'", "known: "),
        ("pools:\n - name: a\n   nodes: []\n", 3, "lists no nodes", "drop `nodes`"),
        ("pools:\n - name: a\n   nodes:\n   - cpus: 4\n", 4, "needs cpus and memory", "512GB"),
        ("pools:\n - name: a\n   nodes:\n   - {cpus: many, memory: 1GB}\n", 4, "'many'", "cpus"),
        ("pools:\n - name: a\n   nodes:\n   - {cpus: 1, memory: 1 cow}\n", 4, "1 cow", "memory"),
        (
            "pools:\n - name: a\n   nodes:\n   - {cpus: 1, memory: 1GB, count: 0}\n",
            4, "from 1 to 10000", "count",
        ),
        (
            "pools:\n - name: a\n   nodes:\n   - {cpus: 1, memory: 1GB, gpus: 1}\n",
            4, "no field 'gpus'", "known: ",
        ),
        (
            "pools:\n - name: a\n   nodes:\n   - &n {name: n, cpus: 1, memory: 1GB}\n   - *n\n",
            4, "two nodes are called 'n'", "rename",
        ),
        (
            "pools:\n - name: a\n   nodes:\n   - {cpus: 1, memory: 1GB, rack: /leaf1}\n",
            4, "'/leaf1' is no path to a rack", "rack",
        ),
        (
            f"pools:\n - name: a\n   nodes:\n   - {{cpus: 1, memory: 1GB, rack: {'a/' * 8}a}}\n",
            4, "up to 8 names", "rack",
        ),
        ("pools:\n - name: a\n   pue: 0.9\n", 3, "no PUE", "pue"),
        ("pools:\n - name: a\n   pue: .nan\n", 3, "not a number", "pue"),
        ("pools:\n - name: a\n   prices: {cpu_hour: -1}\n", 3, "from 0 on", "cpu_hour"),
        ("pools:\n - name: a\n   prices: {cpu_hours: 1}\n", 3, "no field 'cpu_hours'", "cpu_hour"),
        ("pools:\n - name: a\n   labels: {x: }\n", 3, "x has no value", "write one"),
        ("pools:\n - name: a\n   site: [x]\n", 3, "site must be one value", "site: value"),
        ("pools:\n - name: a\n   frameworks: [{}]\n", 3, "must list plain values", "[a, b]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, said: str, mend: str
) -> None:
    with pytest.raises(InputError) as raised:
        load(tmp_path, text)
    assert said in raised.value.message
    assert mend in raised.value.mend
    assert raised.value.where == f"{tmp_path}/pools.yaml:{line}"


def test_a_rack_is_a_path_and_holds_for_all_copies(tmp_path: Path) -> None:
    node = "{count: 2, cpus: 1, memory: 1GB, rack: spine1/leaf_3.b}"
    text = f"pools:\n - name: a\n   nodes: [{node}, {{cpus: 1, memory: 1GB}}]\n"
    (declaration,) = load(tmp_path, text)
    assert declaration.nodes is not None
    assert [node.rack for node in declaration.nodes] == ["spine1/leaf_3.b", "spine1/leaf_3.b", ""]


def test_a_pool_may_have_times_of_its_own(tmp_path: Path) -> None:
    own = "pools:\n- {name: a, failover: {answer_s: 60, hang_s: 40, failures: 5}}\n- {name: b}\n"
    first, second = load(tmp_path, own)
    assert first.patience == Patience(
        launch_timeout=40 * SECOND, answer_within=60 * SECOND, failures_to_lose=5
    )
    assert second.patience == Patience()
    for wrong in ("{answer_s: 0}", "{answer_s: soon}", "{failures: 0}", "{answers: 3}"):
        with pytest.raises(InputError, match="failover"):
            load(tmp_path, f"pools:\n- {{name: a, failover: {wrong}}}\n")


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_pools(tmp_path / "absent.yaml", home=tmp_path)
    (tmp_path / "pools.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        load_pools(tmp_path / "pools.yaml", home=tmp_path)
