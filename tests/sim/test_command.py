"""``suan simulate``, as a user types it."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from suan.app.main import SERVER_COMMANDS
from suan.cli.main import build
from suan.cli.table import COMMANDS
from suan.model.units import SECOND
from tests.sim.test_traces import SWF
from tests.sim.world import written

POOLS = "pools: [{name: all, nodes: [{count: 1, cpus: 8, memory: 1GB}]}]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a trace and pools, and nothing of the user's settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE", "POOLS", "DEBUG"):
        monkeypatch.delenv(f"SUAN_{name}", raising=False)
    monkeypatch.setenv("SUAN_HOME", str(tmp_path / "home"))
    written(tmp_path, "t.swf", SWF)
    written(tmp_path, "pools.yaml", POOLS)
    return tmp_path


def suan(*arguments: str) -> Result:
    group = build({**COMMANDS, **SERVER_COMMANDS})
    return CliRunner().invoke(group, arguments, catch_exceptions=False)


def simulate(*arguments: str) -> Result:
    return suan("simulate", "--trace", "t.swf", "--pools", "pools.yaml", *arguments)


@pytest.mark.usefixtures("here")
def test_a_comparison_is_printed_and_what_it_rests_on_beside_it() -> None:
    result = simulate("--policy", "fifo,easy,sjf")
    assert result.exit_code == 0, result.output
    first = result.stdout.splitlines()[0]
    assert first.split() == ["fifo", "easy", "sjf"]
    assert "t.swf (swf): 3 jobs; 1 pool, 1 node" in result.stderr
    assert "1 left out, too_large" in result.stderr
    assert "jobs tell what they requested" in result.stderr


@pytest.mark.usefixtures("here")
def test_json_has_the_figures_in_microseconds() -> None:
    result = simulate("--policy", "fifo", "--json")
    body = json.loads(result.stdout)
    # line 3 runs from 0 to 60 on 4; line 4 needs all 8 and waits from 10; line 5 waits from 20
    [fifo] = body["policies"]
    assert (body["jobs"], fifo["states"]) == (3, {"succeeded": 3})
    assert fifo["mean_wait_us"] == (0 + 50 + 100) / 3 * SECOND
    assert fifo["makespan_us"] == 210 * SECOND
    assert body["rows"]["too_large"] == {"count": 1, "first_lines": [11]}
    assert result.stdout == simulate("--policy", "fifo", "--json").stdout


def test_a_row_for_each_job_is_written(here: Path) -> None:
    result = simulate("--policy", "fifo,sjf", "--out", "out", "--durations", "actual")
    assert result.exit_code == 0, result.output
    names = sorted(each.name for each in (here / "out").iterdir())
    assert {"jobs-fifo.csv", "jobs-sjf.csv", "summary.csv"} <= set(names)
    with (here / "out" / "jobs-fifo.csv").open() as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["3", "4", "5"]


def test_the_report_is_one_page_that_says_what_it_rests_on(here: Path) -> None:
    result = simulate("--policy", "fifo,easy", "--html", "out/page.html")
    assert result.exit_code == 0, result.output
    page = (here / "out" / "page.html").read_text()
    assert "easy" in page
    assert "too_large" in page


def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.app.comparing.simulate", None)  # calling it would fail otherwise
    (here / "out").mkdir()
    for name in ("out", "t.swf/page.html"):
        result = simulate("--html", name)
        assert result.exit_code == 2
        assert "--html" in result.stderr


def test_parquet_holds_the_same_jobs(here: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    result = simulate("--policy", "fifo", "--out", "out", "--parquet")
    assert result.exit_code == 0, result.output
    assert parquet.read_table(here / "out" / "jobs-fifo.parquet").num_rows == 3


@pytest.mark.usefixtures("here")
def test_failures_are_the_same_for_a_seed() -> None:
    options = ("--policy", "fifo", "--json", "--mtbf", "2m", "--mttr", "30s")
    first, again = simulate(*options, "--seed", "3"), simulate(*options, "--seed", "3")
    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout
    assert json.loads(first.stdout)["policies"][0]["attempts"] > 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--policy", "fiffo"),
            ("no policy called 'fiffo'", "--policy", "known policies: default"),
        ),
        (("--policy", "fifo,fifo"), ("named twice", "--policy")),
        (("--policy", ","), ("no policy is named", "--policy")),
        (("--format", "swv"), ("no trace format called 'swv'", "--format", "swf")),
        (("--format", "philly"), ("no column", "t.swf:1")),
        (("--mttr", "1h"), ("none fails", "--mttr")),
        (("--parquet",), ("how --out is written", "--parquet")),
        (("--trace", "absent"), ("no file absent", "--trace")),
        (("--pools", "absent"), ("no file absent", "--pools")),
        (("--pools", "t.swf"), ("not YAML", "t.swf:")),
        (("--trace", "sqlite:////nowhere/suan.db"), ("nowhere",)),
        (("--trace", "ftp://example.org/x"), ("ftp",)),
        (("--trace", "pools.yaml"), ("no format that suan knows", "pools.yaml:1", "--format")),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_wrong_is_said_in_one_error(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = simulate(*arguments)
    assert result.exit_code in (2, 3, 7), result.output
    assert result.stderr.count("error: ") == 1
    assert not [word for word in words if word not in result.stderr], result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


@pytest.mark.usefixtures("here")
def test_pools_are_needed() -> None:
    result = suan("simulate", "--trace", "t.swf")
    assert result.exit_code == 2
    assert "a simulation needs pools" in result.stderr


def test_an_interrupt_leaves_no_half_written_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from suan.sim.engine import Engine

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "_decide", interrupted)
    result = simulate("--policy", "fifo", "--out", "out")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert list((here / "out").iterdir()) == []
