"""Quotas and limits through the command line: set, told by `suan why`, raised."""

import getpass
import json
from collections.abc import Iterator

import pytest

from suan.client import Client
from tests.servers import RunningServer, server, suan
from tests.waiting import until

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with server(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture
def client(running: RunningServer) -> Iterator[Client]:
    with Client(running.url) as made:
        yield made


def submitted(running: RunningServer, queue: str) -> str:
    small = ("--cpus", "0.1", "--memory", "64MB", "--queue", queue)
    made = suan(running, "submit", "--json", *small, "--", "sleep", "600")
    assert made.returncode == 0, made.stderr
    job: str = json.loads(made.stdout)["jobs"][0]
    return job


def runs(client: Client, job: str) -> None:
    until(lambda: client.get(job).job.state == "running", what=f"{job} runs")


def cancelled(running: RunningServer, client: Client, jobs: list[str]) -> None:
    assert suan(running, "cancel", "--yes", *jobs).returncode == 0
    for job in jobs:
        client.wait(job, 30)


def test_a_ceiling_is_told_and_raised(running: RunningServer, client: Client) -> None:
    made = suan(running, "queues", "set", "lab", "--ceiling", "cpu=0.2,A100=1")
    assert made.returncode == 0, made.stderr
    assert "A100-80GB=1,cpu=0.2" in made.stdout
    jobs = [submitted(running, "lab") for _ in range(4)]
    for job in jobs[:2]:
        runs(client, job)
    why = suan(running, "why", jobs[2]).stdout
    assert "over_ceiling" in why
    assert "queue lab would hold 0.1 cpus more than its ceiling of 0.2 cpus" in why
    listed = suan(running, "queues", "list").stdout
    [row] = [line.split() for line in listed.splitlines() if line.startswith("lab")]
    assert row[4:] == ["2", "2", "A100-80GB=0,cpu=0.2", "-", "A100-80GB=1,cpu=0.2", "-"]
    suan(running, "queues", "set", "lab", "--weight", "3")  # leaves the ceiling as it is
    suan(running, "queues", "set", "lab", "--ceiling", "cpu=0.3")
    runs(client, jobs[2])
    assert client.get(jobs[3]).job.state == "pending"
    suan(running, "queues", "set", "lab", "--ceiling", "none")
    runs(client, jobs[3])
    [lab] = [queue for queue in client.queues() if queue.name == "lab"]
    assert (lab.weight, lab.quota) == (3, None)
    cancelled(running, client, jobs)


def test_a_tenants_ceiling_holds_for_those_below_it(running: RunningServer, client: Client) -> None:
    made = suan(running, "tenants", "set", "inst", "--ceiling", "cpu=0.2", "--weight", "2")
    assert made.returncode == 0, made.stderr
    jobs: list[str] = []
    for tenant in ("inst/a", "inst/b", "inst/a"):
        body = f"run: sleep 600\ntenant: {tenant}\nresources: {{cpus: 0.1, memory: 64MB}}\n"
        jobs += client.submit(body).jobs
    for job in jobs[:2]:
        runs(client, job)
    assert "tenant inst would hold 0.1 cpus more" in suan(running, "why", jobs[2]).stdout
    [row] = [line.split() for line in suan(running, "tenants", "list").stdout.splitlines()[1:]]
    assert row == ["inst", "2", "2", "cpu=0.2", "-", "cpu=0.2", "-"]
    suan(running, "tenants", "set", "inst", "--ceiling", "none")
    runs(client, jobs[2])
    [inst] = client.tenants()
    assert (inst.weight, inst.running, inst.quota) == (2, 3, None)
    suan(running, "tenants", "set", "inst", "--weight", "1")
    assert suan(running, "tenants", "list").stdout == "nothing was set of any tenant\n"
    cancelled(running, client, jobs)


def test_a_limit_is_told_and_lifted(running: RunningServer, client: Client) -> None:
    user = getpass.getuser()
    made = suan(running, "limits", "set", user, "--running", "1")
    assert made.returncode == 0, made.stderr
    jobs = [submitted(running, "default") for _ in range(2)]
    runs(client, jobs[0])
    why = json.loads(suan(running, "why", jobs[1], "--json").stdout)
    assert [each["code"] for each in why["refusals"]] == ["over_user_limit"]
    listed = suan(running, "limits", "list").stdout.splitlines()
    assert listed[1].split()[:5] == [user, "1", "of", "1", "1"]
    suan(running, "limits", "set", user, "--pending", "1")
    refused = suan(running, "submit", "--", "true")
    assert refused.returncode == 6
    assert f"user {user} may have 1 job pending and has 1" in refused.stderr
    suan(running, "limits", "set", user, "--pending", "none")
    suan(running, "limits", "set", user, "--running", "none")
    runs(client, jobs[1])
    assert suan(running, "limits", "list").stdout == "no limits\n"
    cancelled(running, client, jobs)


def test_a_budget_is_told_with_its_sums_and_raised(running: RunningServer, client: Client) -> None:
    user = getpass.getuser()
    assert suan(running, "limits", "set", user, "--device-hours", "1").returncode == 0
    small = ("--cpus", "0.5", "--memory", "64MB", "--time-limit", "90m")
    jobs = []
    for _ in range(2):
        made = suan(running, "submit", "--json", *small, "--", "sleep", "600")
        jobs.append(json.loads(made.stdout)["jobs"][0])
    runs(client, jobs[0])
    why = json.loads(suan(running, "why", jobs[1], "--json").stdout)
    [refusal] = why["refusals"]
    assert refusal["code"] == "over_device_hours"
    assert "may use 1 device-hours in 30 d" in refusal["detail"]
    assert "runs that go on may use 0.75; this job may need 0.75" in refusal["detail"]
    suan(running, "limits", "set", user, "--device-hours", "2")
    runs(client, jobs[1])
    cancelled(running, client, jobs)
    [view] = client.limits()
    assert 0 < view.device_ms_used < 60_000
    listed = suan(running, "limits", "list").stdout.splitlines()[1]
    assert listed.split()[3:6] == ["0.00", "of", "2"]
    suan(running, "limits", "set", user, "--device-hours", "none")
    bad = suan(running, "limits", "set", user, "--money", "much")
    assert bad.returncode == 2
    assert "12.50" in bad.stderr
    assert suan(running, "limits", "set", user).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("queues", "set", "q", "--ceiling", "cpu=heavy"), "--ceiling"),
        (("queues", "set", "q", "--guarantee", "gpu=4"), "any accelerator"),
        (("queues", "set", "q", "--guarantee", "cpu=4", "--ceiling", "cpu=2"), "quota.ceiling"),
        (("queues", "set", "q", "--cohort", "a b"), "quota.cohort"),
        (("limits", "set", "ann", "--running", "few"), "--running"),
        (("limits", "set", "a b", "--running", "1"), "user"),
    ],
)
def test_what_cannot_be_is_said(
    running: RunningServer, arguments: tuple[str, ...], word: str
) -> None:
    done = suan(running, *arguments)
    assert done.returncode == 2
    assert word in done.stderr
