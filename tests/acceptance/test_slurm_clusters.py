"""One queue over two real Slurm clusters and this machine, as a user types it."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, terminal
from tests.slurm import cancel_below, saved, up
from tests.waiting import until

POOLS = """pools:
- name: here
  nodes: [{{cpus: 4, memory: 8GB}}]
  prices: {{cpu_hour: 1}}
- name: east
  kind: slurm
  conf: {c1}
  partition: main
  directory: {directory}/east
  prices: {{cpu_hour: 1}}
- name: west
  kind: slurm
  conf: {c2}
  directory: {directory}/west
  poll_s: 0.5
- name: wrong
  kind: slurm
  conf: {c1}
  partition: [main, nosuch]
  directory: {directory}/wrong
"""


@pytest.fixture
def user(tmp_path: Path, slurm_clusters: dict[str, Path]) -> Iterator[Terminal]:
    """A user with both clusters and this machine; nobody else breaks the second one meanwhile."""
    with (
        terminal(tmp_path, SUAN_PORT="0") as opened,
        (slurm_clusters["c2"].parent / "lock").open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        opened.home.mkdir(exist_ok=True)
        declared = POOLS.format(directory=tmp_path, **slurm_clusters)
        (opened.home / "pools.yaml").write_text(declared)
        yield opened
        for conf in slurm_clusters.values():
            cancel_below(conf, tmp_path)


def test_pools_are_checked_before_the_first_job(user: Terminal) -> None:
    assert "4 cpu" in user.said("pool", "check", "here")
    found = json.loads(user.said("pool", "check", "east", "--json"))["found"]
    assert any("H100:24" in line for line in found), found
    wrong = user.type("pool", "check", "wrong")
    assert wrong.returncode == 7
    assert "no partition called 'nosuch'" in wrong.stderr
    assert "there are: main" in wrong.stderr
    unknown = user.type("pool", "check", "nowhere")
    assert unknown.returncode == 3
    assert "declared are: east, here, west, wrong" in unknown.stderr


def test_mixed_jobs_over_two_clusters_and_this_machine(
    user: Terminal, slurm_clusters: dict[str, Path]
) -> None:
    assert user.type("up").returncode == 0
    pools = json.loads(user.said("pool", "list", "--json"))["pools"]
    assert {each["name"]: each["available"] for each in pools} == {
        "here": True, "east": True, "west": True, "wrong": False,
    }  # fmt: skip
    (wrong,) = (each for each in pools if each["name"] == "wrong")
    assert "nosuch" in wrong["detail"]

    devices = 'echo "devices $CUDA_VISIBLE_DEVICES on $SUAN_NODE"'
    assert "on c1-n" in user.said("run", "--gpus", "H100:2", "--infra", "east", "--", devices)
    assert user.said("run", "--infra", "here", "--", "echo at home") == "at home"
    failed = user.type("run", "--infra", "west", "--", "echo oops; exit 3")
    assert (failed.returncode, failed.stdout) == (3, "oops\n")

    gang = user.said("run", "-d", "--nodes", "2", "--infra", "west", "--", "echo $SUAN_TASK_RANK")
    until(lambda: user.job(gang)["state"] == "succeeded", 60, what="the gang's end")
    lines = user.said("logs", "--all-tasks", gang).splitlines()
    assert sorted(line.split()[-1] for line in lines) == ["0", "1"]

    large = user.said("submit", "--gpus", "H100:9", "--infra", "east", "--", "true")
    assert "H100" in user.said("why", large)
    assert user.said("cancel", large)

    trap = "trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    stopped = user.said("run", "-d", "--infra", "west", "--", trap)
    until(lambda: "ready" in user.type("logs", stopped).stdout, 60, what="its start")
    assert user.said("cancel", stopped)
    until(lambda: user.job(stopped)["state"] == "cancelled", 60, what="the cancelled job's end")
    assert user.said("logs", stopped) == "ready\nsaved"
    assert user.said("down")


def test_a_controller_dies_and_comes_back(
    user: Terminal, slurm_clusters: dict[str, Path], tmp_path: Path
) -> None:
    directory = slurm_clusters["c2"].parent
    gate = tmp_path / "gate"
    assert user.type("up").returncode == 0
    script = f"echo ready; until test -e {gate}; do sleep 0.1; done; echo went on"
    going = user.said("run", "-d", "--infra", "west", "--", script)
    until(lambda: "ready" in user.type("logs", going).stdout, 60, what="its start")
    saved(slurm_clusters["c2"])
    controller = int((directory / "slurmctld.pid").read_text())
    os.kill(controller, signal.SIGKILL)
    try:
        waiting = user.said("submit", "--infra", "west", "--", "echo came back")
        until(lambda: "unavailable" in user.type("why", waiting).stdout, 90, what="the reason")
        assert "has not answered since 2" in user.said("pool", "list")
        assert "is left alone" in user.said("why", going)
        moved = user.said("submit", "-w", "--gpus", "H100:1", "--", "true")  # west is cheaper
        assert json.loads(user.said("show", moved, "--json"))["job"]["pool"] == "east"
        gate.touch()
        assert user.said("run", "--infra", "east", "--", "echo meanwhile") == "meanwhile"
    finally:
        until(lambda: not Path(f"/proc/{controller}").exists(), what="the controller's end")
        (directory / "slurmctld.pid").unlink()
        up(directory.parent, "-c", "2", "-n", "3")
    for job, output in ((going, "ready\nwent on"), (waiting, "came back")):
        until(lambda job=job: user.job(job)["state"] == "succeeded", 120, what=f"the end of {job}")
        assert user.said("logs", job) == output
    assert user.said("down")


def test_files_go_to_a_cluster_and_come_back(user: Terminal, tmp_path: Path) -> None:
    """Also when the server dies between the delivery and the launch; nothing is sent twice."""
    (user.where / "w").mkdir()
    (user.where / "w/text").write_text("from home")
    (user.where / "w/big").write_bytes(os.urandom(9_000_000))
    assert user.type("up", environ={"SUAN_KILL_AT": "deliver.after"}).returncode == 0
    script = (
        'cat text > "$SUAN_OUTPUT_DIR/copy"; wc -c < big; echo changed > text; mkdir r; : > r/x'
    )
    (user.where / "job.yaml").write_text(
        f"workdir: w\noutputs: [r]\nresources: {{infra: west}}\nrun: |\n  {script}\n"
    )
    job = user.said("submit", "--copy", "job.yaml")
    server = user.server_pid
    until(lambda: not alive(server), 60, what="the server's death")
    kept = tmp_path / "west" / "content"
    before = {each: each.stat().st_ino for each in kept.rglob("*") if each.is_file()}
    assert len(before) == 3  # two files and their manifest
    assert user.type("up").returncode == 0
    until(lambda: user.job(job)["state"] == "succeeded", 90, what="its end")
    assert user.said("logs", job) == "9000000"
    assert sorted(user.said("pull", job, "-o", "back").splitlines()) == ["back/copy", "back/r/x"]
    assert (user.where / "back/copy").read_text() == "from home"
    assert user.said("run", "--copy", "job.yaml") == "9000000"
    assert {each: each.stat().st_ino for each in kept.rglob("*") if each.is_file()} == before
    assert user.said("down")


def alive(process: int) -> bool:
    """Whether it runs; one that nobody has waited for is dead."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
