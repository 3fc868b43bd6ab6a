"""A deadline kept: through the real server, a job makes room for one that would miss its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.client import Client
from tests.servers import RunningServer, server, suan
from tests.waiting import until

pytestmark = pytest.mark.acceptance

ONE_PLACE = """\
pools:
  - name: small
    kind: local
    nodes: [{name: small, count: 1, cpus: 1, memory: 1GB}]
"""
SAVES = """\
name: saves
resources: {{cpus: 1, memory: 64MB}}
checkpoint: {{signal: SIGUSR1, grace: 5s}}
run: |
  trap 'echo $step > {where}/saved; exit 0' USR1
  step=0; test ! -e {where}/saved || step=$(cat {where}/saved)
  echo "from $step" >> {where}/told
  while test ! -e {where}/go; do step=$((step + 1)); echo $step > {where}/step; sleep 0.05; done
"""
DUE = """\
name: due
resources: {{cpus: 1, memory: 64MB}}
deadline: +85s
expected: 5s
run: touch {where}/go
"""


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setenv("SUAN_POLICY", "deadline")
    monkeypatch.setenv("SUAN_MIN_RUN_SECONDS", "1")
    home = tmp_path / "home"
    home.mkdir()
    (home / "pools.yaml").write_text(ONE_PLACE)
    with server(home) as started:
        yield started


def submitted(running: RunningServer, where: Path, name: str, text: str) -> str:
    (where / f"{name}.yaml").write_text(text.format(where=where))
    made = suan(running, "submit", "--json", str(where / f"{name}.yaml"))
    assert made.returncode == 0, made.stderr
    job: str = json.loads(made.stdout)["jobs"][0]
    return job


def test_a_job_makes_room_for_a_deadline_and_goes_on_after(
    running: RunningServer, tmp_path: Path
) -> None:
    with Client(running.url) as client:
        assert client.server().policy == "deadline"
        first = submitted(running, tmp_path, "saves", SAVES)
        until((tmp_path / "step").exists, what="the first job works")
        due = submitted(running, tmp_path, "due", DUE)
        why = json.loads(suan(running, "why", due, "--json").stdout)
        assert "it may displace others for that" in why["due"]
        assert why["due"][:40] in suan(running, "why", due).stdout
        assert [each["code"] for each in why["refusals"]] == ["no_capacity"]
        assert why["refusals"][0]["until"] is not None
        told = client.wait(due, 60)
        assert told.job.state == "succeeded"
        assert told.job.ended_at is not None
        deadline = json.loads(suan(running, "show", due, "--json").stdout)["spec"]["deadline"]
        assert told.job.ended_at.timestamp() <= deadline / 1e6
        assert client.wait(first, 60).job.state == "succeeded"
        lines = (tmp_path / "told").read_text().splitlines()
        saved = int((tmp_path / "saved").read_text())
        assert lines == ["from 0", f"from {saved}"]
        assert saved > 0
        shown = suan(running, "show", first).stdout
        assert f"it makes room for the deadline of job {due}" in shown
