"""One machine that stands for a region: pools at several sites, with shapes and prices."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import RunningServer, server, suan
from tests.waiting import until

REGION = """
pools:
  - name: horinger-a
    site: horinger
    nodes: [{count: 2, cpus: 64, memory: 512GB, accelerators: {A100-80GB: 8}}]
    prices: {cpu_hour: 0.05, accelerator_hour: {A100-80GB: 6}, energy_kwh: 0.35, carbon_kg: 0.1}
  - name: guian-a
    site: guian
    nodes: [{cpus: 64, memory: 512GB, accelerators: {A100-80GB: 8, H100: 8}}]
    prices:
      cpu_hour: 0.05
      accelerator_hour: {A100-80GB: 8, H100: 20}
      energy_kwh: 0.35
      carbon_kg: 0.1
  - name: delta-a
    site: yangtze-delta
    nodes: [{cpus: 32, memory: 256GB, accelerators: {A100-80GB: 4}}]
    prices: {cpu_hour: 0.05, accelerator_hour: {A100-80GB: 12}, energy_kwh: 0.8, carbon_kg: 0.1}
"""


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("region")
    (home / "pools.yaml").write_text(REGION)
    with server(home) as started:

        def ready() -> bool:
            pools = read(started, "pool", "list")["pools"]
            return len(pools) == 3 and all(pool["available"] for pool in pools)

        until(ready, 30)
        yield started


def read(region: RunningServer, *arguments: str) -> dict:
    """What a command says with --json."""
    done = suan(region, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict = json.loads(done.stdout)
    return answer


def planned(region: RunningServer, *asked: str) -> tuple[list[str], dict[str, dict]]:
    """Where a job would go, cheapest first, and what the other pools say."""
    done = suan(region, "plan", "--json", *asked, "--", "true")
    (plan,) = json.loads(done.stdout)["plans"]
    return [cost["pool"] for cost in plan["costs"]], {r["pool"]: r for r in plan["refusals"]}


def test_a_job_goes_to_the_cheapest_and_says_why(region: RunningServer) -> None:
    job = suan(region, "submit", "-w", "--gpus", "A100-80GB:2", "--", "sleep 1").stdout.strip()
    (run,) = read(region, "show", job)["runs"]
    assert run["pool"] == "horinger-a"
    why, *others = run["reasons"]
    assert why.startswith("horinger-a, the cheapest: 12.4")
    assert "devices 12.0500" in why
    assert [reason.split(":")[0] for reason in others] == [
        "rather than guian-a",
        "rather than delta-a",
    ]
    shown = suan(region, "show", job).stdout
    assert "rather than delta-a: 24.9" in shown
    assert "horinger-a-1" in shown
    assert "horinger-a" in suan(region, "why", job).stdout


def test_the_bill_is_the_sites_own(region: RunningServer) -> None:
    job = suan(region, "submit", "-w", "--gpus", "H100:4", "--", "sleep 1").stdout.strip()
    detail = read(region, "show", job)
    assert detail["job"]["pool"] == "guian-a"
    bill, terms = detail["bill"], read(region, "pool", "show", "guian-a")["terms"]
    (site,) = (s for s in read(region, "site", "list")["sites"] if s["site"] == "guian")
    assert terms["carbon_mg_per_kwh"] == site["carbon_mg_per_kwh"]
    assert terms["pue_milli"] == site["pue_milli"]
    assert bill["accelerator_ms"] == pytest.approx(4 * bill["cpu_ms"], rel=0.01)
    assert bill["accelerator_ms"] >= 4000
    devices = bill["accelerator_ms"] * 20 / 3.6 + bill["cpu_ms"] * 0.05 / 3.6  # millionths
    energy = bill["energy_mwh"] * 0.35
    assert bill["money"] == pytest.approx(devices + energy, rel=0.05)
    power_w = 4 * 700 * site["pue_milli"] / 1000
    assert bill["energy_mwh"] == pytest.approx(power_w * bill["cpu_ms"] / 3600, rel=0.05)
    carbon_mg = bill["energy_mwh"] / 1e6 * site["carbon_mg_per_kwh"]
    assert bill["carbon_mg"] == pytest.approx(carbon_mg, rel=0.02)
    assert "Guizhou" in " ".join(bill["notes"])
    assert "CO2e" in suan(region, "show", job).stdout


@pytest.mark.parametrize(
    ("asked", "to", "not_to"),
    [
        (("--gpus", "A100-80GB:8"), ["horinger-a", "guian-a"], {"delta-a": "node_too_small"}),
        (
            ("--gpus", "H100:1"),
            ["guian-a"],
            {"delta-a": "no_such_accelerator", "horinger-a": "no_such_accelerator"},
        ),
        (
            ("--gpus", "A100-80GB:1", "--infra", "yangtze-delta"),
            ["delta-a"],
            {"guian-a": "infra_mismatch", "horinger-a": "infra_mismatch"},
        ),
        (
            ("--gpus", "A100-80GB:8", "--nodes", "2"),
            ["horinger-a"],
            {"delta-a": "node_too_small", "guian-a": "gang_too_large"},
        ),
        (("--gpus", "1"), ["horinger-a", "guian-a", "delta-a"], {}),
    ],
)
def test_a_dry_run_names_every_pool(
    region: RunningServer, asked: tuple[str, ...], to: list[str], not_to: dict[str, str]
) -> None:
    costs, refusals = planned(region, *asked)
    assert costs == to
    assert {pool: refusal["code"] for pool, refusal in refusals.items()} == not_to
    told = suan(region, "plan", *asked, "--", "true").stdout
    for pool in ("horinger-a", "guian-a", "delta-a"):
        assert pool in told


def test_a_full_pool_sends_the_next_job_on(region: RunningServer) -> None:
    first = suan(region, "submit", "--gpus", "A100-80GB:8", "--nodes", "2", "--", "sleep 60")
    until(lambda: pool_of(region, first.stdout.strip()) == "horinger-a", 30)
    second = suan(region, "submit", "-w", "--gpus", "A100-80GB:4", "--", "true").stdout.strip()
    assert pool_of(region, second) == "guian-a"
    waits = ("--infra", "horinger-a", "--gpus", "A100-80GB:8", "--", "true")
    third = suan(region, "submit", *waits).stdout.strip()

    def explained() -> dict[str, dict]:
        return {r["pool"]: r for r in read(region, "why", third)["refusals"]}

    until(lambda: "horinger-a" in explained(), 30)
    assert explained()["horinger-a"]["code"] == "no_capacity"
    assert explained()["horinger-a"]["permanent"] is False
    assert suan(region, "cancel", first.stdout.strip()).returncode == 0
    until(lambda: read(region, "show", third)["job"]["state"] == "succeeded", 60)


def pool_of(region: RunningServer, job: str) -> str | None:
    """Where a job runs or ran."""
    pool: str | None = read(region, "show", job)["job"]["pool"]
    return pool


def test_a_drain_moves_new_work_away_and_back(region: RunningServer) -> None:
    held = suan(region, "submit", "--gpus", "A100-80GB:1", "--", "sleep 60").stdout.strip()
    until(lambda: pool_of(region, held) == "horinger-a", 30)
    assert suan(region, "pool", "drain", "horinger-a").returncode == 0
    until(lambda: "horinger-a" in planned(region, "--gpus", "A100-80GB:1")[1], 30)
    assert planned(region, "--gpus", "A100-80GB:1")[1]["horinger-a"]["code"] == "pool_drained"
    moved = suan(region, "submit", "-w", "--gpus", "A100-80GB:1", "--", "true").stdout.strip()
    assert pool_of(region, moved) == "guian-a"
    assert "drained" in suan(region, "pool", "list").stdout
    assert read(region, "show", held)["job"]["state"] == "running"  # what runs may end
    assert suan(region, "cancel", held).returncode == 0
    assert suan(region, "pool", "undrain", "horinger-a").returncode == 0
    until(lambda: "horinger-a" not in planned(region, "--gpus", "A100-80GB:1")[1], 30)
    back = suan(region, "submit", "-w", "--gpus", "A100-80GB:1", "--", "true").stdout.strip()
    assert pool_of(region, back) == "horinger-a"


def test_the_map_is_listed(region: RunningServer) -> None:
    table = suan(region, "site", "list").stdout.splitlines()
    assert table[0].split()[:3] == ["SITE", "KIND", "NAME"]
    names = {line.split()[0] for line in table[1:]}
    assert {"horinger", "guian", "yangtze-delta"} <= names
    assert any("和林格尔" in line for line in table)


def test_devices_are_given_out_one_by_one(region: RunningServer, tmp_path: Path) -> None:
    """Two jobs in one node's accelerators see different ones."""
    script = f"echo $CUDA_VISIBLE_DEVICES; until [ -e {tmp_path}/go ]; do sleep 0.1; done"
    both = [suan(region, "submit", "--gpus", "H100:4", "--", script) for _ in range(2)]
    jobs = [job.stdout.strip() for job in both]
    until(
        lambda: all(read(region, "show", job)["job"]["state"] == "running" for job in jobs),
        what="both running",
    )
    (tmp_path / "go").touch()
    seen = [suan(region, "logs", "-f", job).stdout.strip() for job in jobs]
    devices = [set(shown.split(",")) for shown in seen]
    assert [len(each) for each in devices] == [4, 4]
    assert not devices[0] & devices[1]
