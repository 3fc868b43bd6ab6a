"""The server's settings and what follows from them."""

from dataclasses import replace
from pathlib import Path

import pytest

from suan.app.registration import Registration
from suan.app.server import local_pool_name
from suan.app.settings import Flags, resolve
from suan.model.errors import InputError
from suan.model.policy import POLICIES
from suan.model.units import SECOND


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but a home."""
    for name in (
        "HOST",
        "PORT",
        "STORE",
        "POOLS",
        "REQUIRE_TOKENS",
        "LEASE_SECONDS",
        "SERVER",
        "POLICY",
        "MIN_RUN_SECONDS",
        "HALF_LIFE_SECONDS",
        "CONTENT",
        "CONTENT_GIB",
        "CONTENT_DAYS",
        "FETCH",
    ):
        monkeypatch.delenv(f"SUAN_{name}", raising=False)
    monkeypatch.setenv("SUAN_HOME", str(tmp_path))


def test_nothing_has_to_be_set(tmp_path: Path) -> None:
    settings = resolve(Flags())
    assert (settings.host, settings.port) == ("127.0.0.1", 7826)
    assert settings.store_url == f"sqlite:///{tmp_path}/suan.db"
    assert settings.pools_file is None
    assert not settings.require_tokens


def test_flags_go_before_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUAN_PORT", "8000")
    assert resolve(Flags()).port == 8000
    assert resolve(Flags(port=9000)).port == 9000


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "suan.example.org"])
def test_beyond_loopback_tokens_are_needed(host: str) -> None:
    assert resolve(Flags(host=host)).require_tokens


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_on_loopback_they_are_not(host: str) -> None:
    assert not resolve(Flags(host=host)).require_tokens


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "soon"),
        ("MIN_RUN_SECONDS", "-1"),
        ("MIN_RUN_SECONDS", "nan"),
        ("HALF_LIFE_SECONDS", "59"),
        ("HALF_LIFE_SECONDS", "7d"),
        ("POLICY", "lottery"),
    ],
)
def test_a_senseless_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SUAN_{name}", value)
    with pytest.raises(InputError, match=value) as refused:
        resolve(Flags())
    assert refused.value.where == f"SUAN_{name}"
    assert refused.value.mend


def test_a_policy_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(Flags()).policy == "default"
    monkeypatch.setenv("SUAN_POLICY", "easy")
    assert resolve(Flags()).policy == "easy"
    assert resolve(Flags(policy="fifo")).policy == "fifo"
    with pytest.raises(InputError, match="no policy 'Fifo'") as refused:
        resolve(Flags(policy="Fifo"))
    assert refused.value.where == "--policy"
    assert "fair" in refused.value.mend


def test_how_long_a_run_is_safe_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUAN_POLICY", "deadline")
    assert resolve(Flags()).decides_by == POLICIES["deadline"]
    monkeypatch.setenv("SUAN_MIN_RUN_SECONDS", "0.5")
    assert resolve(Flags()).decides_by == replace(POLICIES["deadline"], min_run_time=SECOND // 2)
    monkeypatch.setenv("SUAN_MIN_RUN_SECONDS", "0")
    assert resolve(Flags()).decides_by.min_run_time == 0


def test_how_soon_usage_is_forgotten_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUAN_HALF_LIFE_SECONDS", "3600")
    assert resolve(Flags()).decides_by == replace(POLICIES["default"], half_life=3600 * SECOND)
    monkeypatch.setenv("SUAN_MIN_RUN_SECONDS", "0")
    expected = replace(POLICIES["default"], half_life=3600 * SECOND, min_run_time=0)
    assert resolve(Flags()).decides_by == expected


def test_a_named_pools_file_must_be_there() -> None:
    with pytest.raises(InputError, match="no pools file") as refused:
        resolve(Flags(pools_file="/nowhere/pools.yaml"))
    assert refused.value.where == "--pools"


def test_a_pools_file_in_the_home_is_found(tmp_path: Path) -> None:
    (tmp_path / "pools.yaml").write_text("pools: []\n")
    assert resolve(Flags()).pools_file == tmp_path / "pools.yaml"


@pytest.mark.parametrize(
    ("host", "name"),
    [("gpu7", "gpu7"), ("GPU_7.Lab.example", "gpu-7-lab-example"), ("--", "local")],
)
def test_on_a_shared_store_a_machine_bears_its_own_name(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert local_pool_name("postgresql://db/suan") == name
    assert local_pool_name("sqlite:////var/lib/suan.db") == "local"


def test_server_json_names_the_leader_and_its_own_claim_alone_is_withdrawn(tmp_path: Path) -> None:
    first = Registration(tmp_path, "http://127.0.0.1:1", 1)
    second = Registration(tmp_path, "http://127.0.0.1:2", 2)
    first.claim(leading=True)
    second.claim(leading=False)  # a live server is named there: this very process
    assert "127.0.0.1:1" in (tmp_path / "server.json").read_text()
    second.claim(leading=True)
    first.withdraw()
    assert "127.0.0.1:2" in (tmp_path / "server.json").read_text()
    second.withdraw()
    assert not (tmp_path / "server.json").exists()


def test_a_dead_servers_claim_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:1", "pid": 4194304000}')
    standby = Registration(tmp_path, "http://127.0.0.1:2", 2)
    standby.claim(leading=False)
    assert "127.0.0.1:2" in (tmp_path / "server.json").read_text()


def test_where_what_jobs_bring_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = resolve(Flags())
    assert settings.content_folders == (tmp_path / "content",)
    assert settings.content_bytes is None
    monkeypatch.setenv("SUAN_CONTENT", str(tmp_path / "shared"))
    monkeypatch.setenv("SUAN_CONTENT_GIB", "1.5")
    settings = resolve(Flags())
    assert settings.content_folders == (tmp_path / "shared", tmp_path / "content")
    assert settings.content_bytes == 3 << 29
    monkeypatch.setenv("SUAN_CONTENT_DAYS", "never")
    with pytest.raises(InputError, match="never"):
        resolve(Flags())


def test_what_a_server_may_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "http://" not in resolve(Flags()).fetches
    monkeypatch.setenv("SUAN_FETCH", "s3://lab/, https://data.example.org/")
    assert resolve(Flags()).fetches == ("s3://lab/", "https://data.example.org/")
    monkeypatch.setenv("SUAN_FETCH", "")
    assert resolve(Flags()).fetches == ()
    for wrong in ("file:///data", "everything"):
        monkeypatch.setenv("SUAN_FETCH", wrong)
        with pytest.raises(InputError, match=wrong.partition(":")[0]):
            resolve(Flags())
