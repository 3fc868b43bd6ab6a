"""The commands against a real server, as a user types them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.client import Client, Conflict, WaitTimeout
from suan.model.errors import InputError
from suan.model.spec import JobSpec
from tests.servers import RunningServer, registered, server, start_server, suan
from tests.waiting import until

pytestmark = pytest.mark.acceptance
NEVER = ("--gpus", "64", "--", "true")  # what no machine here can start


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with server(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture
def client(running: RunningServer) -> Iterator[Client]:
    with Client(running.url) as made:
        yield made


def test_run_shows_both_streams_and_exits_as_the_job(running: RunningServer) -> None:
    done = suan(running, "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert "err\n" in done.stderr
    assert "failed (exit 7)" in done.stderr
    assert "CO2e" in done.stderr  # the bill


def test_run_of_a_signal_exits_as_shells_do(running: RunningServer) -> None:
    assert suan(running, "run", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_run_passes_bytes_through(running: RunningServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "suan", "run", "--", "printf", r"\377\000\n"],
        env={**running.environ, "SUAN_SERVER": running.url},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"\xff\x00\n"


def test_run_of_a_gang_prefixes_each_line_with_its_task(running: RunningServer) -> None:
    done = suan(running, "run", "--nodes", "2", "--", "sh", "-c", "echo a; echo b")
    assert sorted(done.stdout.splitlines()) == ["[0] a", "[0] b", "[1] a", "[1] b"]


def test_run_follows_a_retry_to_its_end(running: RunningServer, tmp_path: Path) -> None:
    script = f"test -e {tmp_path}/flag && echo second || {{ touch {tmp_path}/flag; exit 1; }}"
    done = suan(running, "run", "--retries", "1", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "second\n")
    assert "attempt 2" in done.stderr


def test_run_json_keeps_the_answer_apart_from_the_output(running: RunningServer) -> None:
    done = suan(running, "run", "--json", "--", "echo", "noise")
    assert json.loads(done.stdout)["job"]["state"] == "succeeded"
    assert "noise" in done.stderr


def test_ctrl_c_without_a_terminal_cancels_the_job(running: RunningServer, client: Client) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "suan",
            "run",
            "--name",
            "stopme",
            "--",
            "sh",
            "-c",
            "echo up; sleep 99",
        ],
        env={**running.environ, "SUAN_SERVER": running.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"cancelled" in err
    (job,) = client.list(name="stopme")
    assert client.wait(job.id, timeout=30).job.state == "cancelled"


def test_a_reader_that_goes_away_ends_it_quietly(running: RunningServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "suan", "run", "--", "sh", "-c", "yes | head -c 3000000"],
        env={**running.environ, "SUAN_SERVER": running.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.read(2)
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert b"Traceback" not in err


def test_submit_many_files_all_or_none(running: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nrun: echo a\n")
    (tmp_path / "b.yaml").write_text("name: b\nrn: echo b\n")
    before = len(json.loads(suan(running, "queue", "-a", "--json").stdout)["jobs"])
    done = suan(running, "submit", "a.yaml", "b.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "b.yaml" in done.stderr
    assert len(json.loads(suan(running, "queue", "-a", "--json").stdout)["jobs"]) == before
    (tmp_path / "b.yaml").write_text("name: b\nrun: exit 4\n")
    done = suan(running, "submit", "--wait", "a.yaml", "b.yaml", cwd=tmp_path)
    assert done.returncode == 4
    assert len(done.stdout.split()) == 2


def test_an_array_is_one_id_and_cancelled_as_one(running: RunningServer) -> None:
    array = suan(running, "submit", "--array", "0-4", *NEVER).stdout.strip()
    listed = json.loads(suan(running, "queue", "--array", array, "--json").stdout)["jobs"]
    assert len(listed) == 5
    done = suan(running, "cancel", array, "--json")
    assert len(json.loads(done.stdout)["cancelled"]) == 5


def test_waiting_times_out_with_its_code(running: RunningServer, client: Client) -> None:
    done = suan(running, "submit", "--wait", "--timeout", "1s", *NEVER)
    assert done.returncode == 8
    with pytest.raises(WaitTimeout):
        client.wait(done.stdout.strip(), timeout=0)
    assert suan(running, "cancel", done.stdout.strip()).returncode == 0


def test_why_names_the_pool_and_what_would_help(running: RunningServer) -> None:
    job = suan(running, "submit", *NEVER).stdout.strip()
    done = suan(running, "why", job)
    assert "no_such_accelerator" in done.stdout
    assert "goes on when" in done.stdout
    refusals = json.loads(suan(running, "why", job, "--json").stdout)["refusals"]
    assert refusals[0]["permanent"] is True
    suan(running, "cancel", job)


def test_plan_changes_nothing(running: RunningServer) -> None:
    before = suan(running, "queue", "-a", "--json").stdout
    done = suan(running, "plan", "--cpus", "1", "--", "true")
    assert done.returncode == 0
    assert "local" in done.stdout
    assert suan(running, "queue", "-a", "--json").stdout == before


def test_show_hides_secrets_and_tells_the_rest(running: RunningServer) -> None:
    env = {**os.environ, "KEY": "hunter2"}
    job = suan(running, "submit", "-w", "--secret", "KEY=hunter2", "--", "sh", "-c", "echo $KEY")
    shown = suan(running, "show", job.stdout.strip())
    assert (
        env["KEY"] not in shown.stdout + suan(running, "show", job.stdout.strip(), "--json").stdout
    )
    for word in ("What was asked for", "Runs", "where", "why", "Bill"):
        assert word in shown.stdout
    assert suan(running, "logs", job.stdout.strip()).stdout == "***\n"


def test_logs_in_every_way(running: RunningServer) -> None:
    script = "for i in 1 2 3; do echo $i; done; echo bad >&2"
    job = suan(running, "submit", "-w", "--nodes", "2", "--", "sh", "-c", script).stdout.strip()
    assert suan(running, "logs", job).stdout == "1\n2\n3\n"
    assert suan(running, "logs", job, "-n", "1").stdout == "3\n"
    assert suan(running, "logs", job, "-f", "-n", "2").stdout == "2\n3\n"
    assert suan(running, "logs", job, "--stderr", "--task", "1").stdout == "bad\n"
    assert len(suan(running, "logs", job, "--all-tasks", "-f").stdout.splitlines()) == 6
    texts = json.loads(suan(running, "logs", job, "--json").stdout)
    assert texts["tasks"] == {"0": "1\n2\n3\n"}
    assert suan(running, "logs", job, "--task", "9").returncode == 2
    assert suan(running, "logs", "nosuch").returncode == 3


def test_pools_drain_and_come_back(running: RunningServer, client: Client) -> None:
    assert suan(running, "pool", "drain", "local").returncode == 0
    until(lambda: client.pool("local").drained)
    assert suan(running, "pool", "undrain", "local").returncode == 0
    until(lambda: not client.pool("local").drained)
    assert suan(running, "pool", "drain", "nosuch").returncode == 3
    assert "local" in suan(running, "pool", "show", "local").stdout


def test_queues_keep_what_is_not_said(running: RunningServer, client: Client) -> None:
    suan(running, "queues", "set", "night", "--weight", "3")
    until(lambda: any(q.name == "night" for q in client.queues()))
    suan(running, "queues", "set", "night", "--closed")

    def night() -> bool:
        return any(q.name == "night" and q.weight == 3 and not q.open for q in client.queues())

    until(night)


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("pool", "list"), ("queues", "list"), ("site", "list"), ("events",), ("doctor",)],
)
def test_everything_is_a_table_and_json(running: RunningServer, arguments: tuple[str, ...]) -> None:
    table, data = suan(running, *arguments), suan(running, *arguments, "--json")
    assert (table.returncode, data.returncode) == (0, 0), table.stderr + data.stderr
    assert table.stdout.strip()
    assert "\x1b" not in table.stdout
    assert isinstance(json.loads(data.stdout), dict)


def test_a_token_works_until_it_is_revoked(running: RunningServer) -> None:
    made = json.loads(suan(running, "token", "create", "ci", "--scope", "viewer", "--json").stdout)
    running_as = RunningServer(
        running.home,
        running.process,
        running.url,
        {**running.environ, "SUAN_TOKEN": made["secret"]},
    )
    assert suan(running_as, "status").returncode == 0
    assert suan(running_as, "submit", *NEVER).returncode == 5
    assert made["secret"] not in suan(running, "token", "list", "--json").stdout
    assert suan(running, "token", "revoke", made["id"]).returncode == 0
    until(lambda: suan(running_as, "status").returncode == 5)


def test_the_sdk_pages_through_everything(client: Client) -> None:
    client.submit_many([JobSpec(run="true", labels={"many": "x"}) for _ in range(5)])
    page = client.page(limit=2, label="many=x")
    assert (len(page.jobs), page.next_cursor is not None) == (2, True)
    assert len({job.id for job in client.list(label="many=x")}) == 5
    for job in client.list(label="many=x"):
        assert client.wait(job.id, timeout=60).job.state == "succeeded"


def test_a_key_makes_twice_once(client: Client) -> None:
    first = client.submit(JobSpec(run="true"), key="the-key")
    again = client.submit(JobSpec(run="true"), key="the-key")
    assert (again.id, again.repeated) == (first.id, True)
    with pytest.raises((Conflict, InputError)):
        client.submit(JobSpec(run="false"), key="the-key")


def test_up_and_down_and_what_runs_meanwhile(tmp_path: Path) -> None:
    env = {**os.environ, "SUAN_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    env.pop("SUAN_SERVER", None)

    def typed(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "suan", *arguments]
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    assert typed("queue").returncode == 4
    try:
        assert "is up at" in typed("up", "--port", "0").stdout
        assert "already up" in typed("up").stdout
        gate = tmp_path / "gate"
        script = f"until test -e {gate}; do sleep 0.05; done; echo through"
        job = typed("run", "-d", "--", "sh", "-c", script).stdout.strip()
        until(lambda: '"running": 1' in typed("status", "--json").stdout, 30)
        assert "1 job goes on running" in typed("down").stdout
        assert typed("down").stdout == "no server runs here\n"
        assert typed("up", "--port", "0").returncode == 0
        gate.touch()
        assert typed("logs", "-f", job).stdout == "through\n"
    finally:
        typed("down")


def test_up_tells_why_the_server_did_not_start(tmp_path: Path) -> None:
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools: [{name: ]")
    env = {**os.environ, "SUAN_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "suan", "up", "--port", "0", "--pools", str(pools)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7
    assert "pools.yaml" in done.stderr
    assert "server.log" in done.stderr
    assert registered(tmp_path / "home") is None


def test_what_is_followed_outlasts_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = start_server(home)
    first.wait_ready()
    port = first.url.rpartition(":")[2]
    gate = tmp_path / "gate"
    script = f"echo before; until test -e {gate}; do sleep 0.05; done; echo after"
    with Client(first.url, timeout_s=5) as client:
        job = client.submit(JobSpec(run=script)).id
        pieces = client.logs(job, follow=True)
        assert next(pieces) == b"before\n"
        first.kill()
        second = start_server(home, "--port", port)
        try:
            second.wait_ready()
            gate.touch()
            assert b"".join(pieces) == b"after\n"
            assert client.wait(job, timeout=30).job.state == "succeeded"
        finally:
            second.stop()
