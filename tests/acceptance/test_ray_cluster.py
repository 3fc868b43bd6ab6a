"""One queue over a real Ray cluster and this machine, as a user types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, terminal
from tests.ray import RayCluster
from tests.waiting import until

POOLS = """pools:
- name: here
  nodes: [{{cpus: 2, memory: 4GB}}]
- name: rays
  kind: ray
  address: {address}
  prefix: accept-
  poll_s: 0.3
- name: wrong
  kind: ray
  address: http://127.0.0.1:9
"""


@pytest.fixture
def user(tmp_path: Path, ray_cluster: RayCluster) -> Iterator[Terminal]:
    """A user with the cluster and this machine."""
    with ray_cluster.shared(), terminal(tmp_path, SUAN_PORT="0") as opened:
        opened.home.mkdir(exist_ok=True)
        (opened.home / "pools.yaml").write_text(POOLS.format(address=ray_cluster.address))
        yield opened


def test_jobs_in_one_queue_over_ray_and_this_machine(user: Terminal, tmp_path: Path) -> None:
    found = json.loads(user.said("pool", "check", "rays", "--json"))["found"]
    assert any("H100:24" in line for line in found), found
    wrong = user.type("pool", "check", "wrong")
    assert wrong.returncode == 7
    assert "does not answer" in wrong.stderr
    assert "8265" in wrong.stderr

    assert user.type("up").returncode == 0
    devices = 'echo "devices $CUDA_VISIBLE_DEVICES on $SUAN_NODE"'
    assert "devices " in user.said("run", "--gpus", "H100:0.5", "--", devices)
    wait = f"echo $SUAN_NODE; until test -e {tmp_path}/gate; do sleep 0.2; done"
    spread = [user.said("submit", "--cpus", "2", "--", wait) for _ in range(3)]
    gang = user.said(
        "run", "-d", "--nodes", "3", "--infra", "rays", "--", "echo $SUAN_TASK_RANK; exit 4"
    )
    trap = "trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    stopped = user.said("run", "-d", "--infra", "ray", "--", trap)
    for each in spread:  # at once, so not all of them here
        until(lambda each=each: user.job(each)["state"] == "running", 120, what="its start")
    (tmp_path / "gate").touch()
    for each in spread:
        until(lambda each=each: user.job(each)["state"] == "succeeded", 120, what="its end")
    where = {user.said("logs", each).startswith("127.0.0.") for each in spread}
    assert where == {True, False}

    until(lambda: "ready" in user.type("logs", stopped).stdout, 120, what="its start")
    assert user.said("cancel", stopped)
    until(lambda: user.job(stopped)["state"] == "cancelled", 60, what="its end")
    assert user.said("logs", stopped) == "ready\nsaved"

    until(lambda: user.job(gang)["state"] == "failed", 120, what="the gang's end")
    assert "exited with code 4" in user.said("show", gang)
    large = user.said("submit", "--gpus", "H100:9", "--infra", "rays", "--", "true")
    assert "H100" in user.said("why", large)
    assert user.said("cancel", large)
    assert user.said("down")
