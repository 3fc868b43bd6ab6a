"""An elastic job through the command line: it starts with what it may have, and says its size."""

import json
from pathlib import Path

import pytest

from suan.client import Client
from tests.servers import server, suan
from tests.waiting import until

pytestmark = pytest.mark.acceptance


def test_a_job_of_one_to_eight_nodes_has_the_three_that_its_queue_may(tmp_path: Path) -> None:
    with server(tmp_path) as running, Client(running.url) as client:
        assert suan(running, "queues", "set", "lab", "--ceiling", "cpu=0.3").returncode == 0
        small = ("--cpus", "0.1", "--memory", "64MB", "--queue", "lab")
        script = 'echo "size $SUAN_NUM_NODES"; sleep 600'
        made = suan(running, "submit", "--json", *small, "--num-nodes", "1..8", "--", script)
        assert made.returncode == 0, made.stderr
        [job] = json.loads(made.stdout)["jobs"]

        def said() -> bool:
            return suan(running, "logs", "--all-tasks", job).stdout.count("size 3") == 3

        until(said, what="all three tasks to tell their size")
        assert "3 of 1..8× cpus 0.1" in suan(running, "queue").stdout
        assert "3 of 1..8 nodes of cpus 0.1" in suan(running, "show", job).stdout
        assert "with 3 of 1..8 nodes" in suan(running, "why", job).stdout
        view = client.get(job).job
        assert (view.num_nodes, view.max_nodes, view.nodes) == (1, 8, 3)
        assert suan(running, "cancel", "--yes", job).returncode == 0
        client.wait(job, 30)
