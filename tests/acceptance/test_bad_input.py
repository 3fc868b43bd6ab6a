"""What a user may get wrong, and what a job may do: one clear error, or the right behaviour."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import RunningServer, server, suan
from tests.waiting import until

GIB = 1 << 30
MOST_GROWTH_MIB = 200  # of a process through which a log of 1 GiB passes


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with server(tmp_path_factory.mktemp("home")) as started:
        yield started


def refused(running: RunningServer, *arguments: str, code: int = 2, **options: object) -> str:
    """What a command that must fail says: one error, no traceback, nothing on stdout."""
    done = suan(running, *arguments, **options)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2000
    return done.stderr


def job_count(running: RunningServer) -> int:
    """How many jobs there are."""
    return sum(json.loads(suan(running, "status", "--json").stdout)["server"]["jobs"].values())


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("name: x\nrun: [unclosed\n", "bad.yaml:3", "not valid YAML"),
        ("name: x\n\trun: true\n", "bad.yaml:2", "not valid YAML"),
        ("run: 'x\n", "bad.yaml:2", "not valid YAML"),
        ("a: &a [*a]\nrun: x\n", "bad.yaml:1", ""),
        ("run: true\nnum_nodes: four\n", "bad.yaml:2:12", "num_nodes"),
        ("run: echo\nresources:\n  cpus: many\n", "bad.yaml:3:9", "cpus"),
        ("run: echo\nresources:\n  memory: 4 parsecs\n", "bad.yaml:3:11", "memory"),
        ("run: echo\npriority: 5000\n", "bad.yaml:2:11", "1000"),
        (
            "run: echo\nworkdir: /no/such/folder\n",
            "bad.yaml:2:10",
            "/no/such/folder does not exist",
        ),
        ("rn: echo\n", "bad.yaml:1", "run"),
        ("", "bad.yaml", ""),
        ("- a\n- b\n", "bad.yaml:1", ""),
        ("#!/bin/bash\n#SBATCH --nodes=none\necho\n", "bad.yaml:2:9", "nodes"),
        ("run: echo\nretry: {max_failures: -1}\n", "bad.yaml:2:23", "max_failures"),
    ],
)
def test_a_bad_file_is_told_by_line(
    running: RunningServer, tmp_path: Path, text: str, at: str, says: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    before = job_count(running)
    said = refused(running, "submit", "bad.yaml", cwd=tmp_path)
    assert f"where: {at}" in said
    assert says in said
    assert "fix: " in said or "must be" in said
    assert job_count(running) == before


def test_binary_is_no_job_file(running: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_bytes(bytes(range(256)))
    assert "job.yaml" in refused(running, "run", "job.yaml", cwd=tmp_path)


def test_an_unknown_field_is_named_and_does_not_stop_the_job(
    running: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "job.yaml").write_text("name: x\nrun: echo hi\nresourcs: {cpus: 1}\n")
    done = suan(running, "run", "job.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "hi\n")
    assert "warning: job.yaml:3:1: resourcs: unknown field" in done.stderr
    assert "did you mean resources?" in done.stderr


def test_a_missing_workdir_is_told_before_anything_is_sent(running: RunningServer) -> None:
    said = refused(running, "run", "--workdir", "/no/such/folder", "--", "true")
    assert "where: --workdir" in said


def test_a_workdir_that_goes_away_fails_the_job_with_the_reason(
    running: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    drained = suan(running, "pool", "drain", "local")
    assert drained.returncode == 0
    until(lambda: '"drained": true' in suan(running, "pool", "list", "--json").stdout, 30)
    job = suan(running, "submit", "--workdir", str(tmp_path / "gone"), "--", "true").stdout.strip()
    (tmp_path / "gone").rmdir()
    assert suan(running, "pool", "undrain", "local").returncode == 0
    until(lambda: '"state": "failed"' in suan(running, "show", job, "--json").stdout, 30)
    detail = json.loads(suan(running, "show", job, "--json").stdout)["job"]["detail"]
    assert f"{tmp_path}/gone" in detail
    assert "not a directory" in detail


@pytest.mark.parametrize(
    ("asked", "code", "short"),
    [
        (("--cpus", "5000"), "node_too_small", r"short by [\d.]+ cpus"),
        (("--memory", "1000000"), "node_too_small", r"short by [\d,.]+ GiB memory"),
        (("--nodes", "9000", "--cpus", "1"), "gang_too_large", r"short by \d+"),
        (("--gpus", "B200:8"), "no_such_accelerator", "8 × B200|B200"),
        (("--infra", "k8s/moon"), "infra_mismatch", "moon"),
    ],
)
def test_impossible_resources_wait_and_why_says_by_how_much(
    running: RunningServer, asked: tuple[str, ...], code: str, short: str
) -> None:
    job = suan(running, "submit", *asked, "--", "true").stdout.strip()
    until(lambda: "taken up" not in suan(running, "why", job).stdout, 30)
    explained = json.loads(suan(running, "why", job, "--json").stdout)
    assert explained["state"] == "pending"
    (refusal,) = explained["refusals"]
    assert (refusal["pool"], refusal["code"], refusal["permanent"]) == ("local", code, True)
    assert re.search(short, refusal["detail"])
    assert refusal["unblocked_by"]
    told = suan(running, "why", job).stdout
    assert refusal["detail"] in told
    assert suan(running, "cancel", job).returncode == 0


def test_a_job_file_of_10_mb_is_one_error(running: RunningServer, tmp_path: Path) -> None:
    line = "  echo " + "x" * 90 + "\n"
    (tmp_path / "big.yaml").write_text("name: big\nrun: |\n" + line * 105_000)
    said = refused(running, "submit", "big.yaml", cwd=tmp_path)
    assert re.search(r"big.* has 10,\d{3},\d{3} bytes; the limit is", said) or "limit is" in said
    assert "big.yaml" in said


def test_100_000_jobs_in_one_call(tmp_path: Path) -> None:
    with server(tmp_path / "home") as crowded:
        many = suan(crowded, "submit", "--array", "0-99999", "--gpus", "64", "--", "true")
        assert many.returncode == 0, many.stderr
        assert "100,000 jobs" in many.stderr
        array = many.stdout.strip()
        page = suan(crowded, "queue", "-n", "5")
        assert len(page.stdout.splitlines()) == 6
        assert "100,000 jobs in all" in page.stderr
        assert suan(crowded, "run", "--", "echo", "still here").stdout == "still here\n"
        assert suan(crowded, "cancel", f"{array}-99999").returncode == 0
        said = refused(crowded, "submit", "--array", "0-100000", "--", "true")
        assert "at most 100,000" in said


def test_a_log_of_1_gb_passes_in_little_memory(running: RunningServer, tmp_path: Path) -> None:
    if shutil.disk_usage(running.home).free < 3 * GIB:
        pytest.skip("less than 3 GiB of disk are free for a log of 1 GiB")
    script = "echo first; head -c 1G /dev/zero; echo; echo second last; echo the end"
    job = suan(running, "submit", "-w", "--", script, timeout=200).stdout.strip()
    process = psutil.Process(running.process.pid)
    before = process.memory_info().rss
    assert suan(running, "logs", "-n", "2", job).stdout == "second last\nthe end\n"
    whole = subprocess.Popen(
        [sys.executable, "-m", "suan", "logs", job],
        env={**running.environ, "SUAN_SERVER": running.url},
        stdout=subprocess.PIPE,
    )
    assert whole.stdout is not None
    count, most, peak, last = 0, 0, 0, b""
    while piece := whole.stdout.read(1 << 20):
        count, last = count + len(piece), (last + piece)[-64:]
        if count >> 26 != most:  # every 64 MiB
            most = count >> 26
            client = psutil.Process(whole.pid).memory_info().rss
            peak = max(peak, client, process.memory_info().rss - before)
    whole.stdout.close()
    assert whole.wait(60) == 0
    assert (count, last.endswith(b"\nsecond last\nthe end\n")) == (GIB + 6 + 1 + 12 + 8, True)
    assert peak < MOST_GROWTH_MIB << 20
    for log in running.home.glob(f"pools/local/runs/{job}-r1/task-0.stdout"):
        log.unlink()


def test_binary_in_a_log_comes_out_as_it_is(running: RunningServer) -> None:
    python = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)"
    command = ["submit", "-w", "--secret", "K=hunter2", "--", sys.executable, "-c", python]
    job = suan(running, *command).stdout.strip()
    shown = subprocess.run(
        [sys.executable, "-m", "suan", "logs", job],
        env={**running.environ, "SUAN_SERVER": running.url},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert shown.stdout == bytes(range(256)) * 4096
    text = json.loads(suan(running, "logs", job, "--json").stdout)["tasks"]["0"]
    assert "\ufffd" in text
    assert suan(running, "show", job).returncode == 0


ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        with open(sys.argv[1], "w") as file:
            print(os.getpid(), os.getsid(0), file=file, flush=True)
        for stream in range(3):
            os.close(stream)
        time.sleep(600)
    os._exit(0)
while not (os.path.exists(sys.argv[1]) and os.path.getsize(sys.argv[1])):
    time.sleep(0.01)
"""


@pytest.mark.parametrize("ends", ["by itself", "cancelled"])
def test_what_escapes_its_session_does_not_outlive_its_job(
    running: RunningServer, tmp_path: Path, ends: str
) -> None:
    (tmp_path / "escape.py").write_text(ESCAPE)
    pids = tmp_path / "pids"
    script = f"{sys.executable} {tmp_path}/escape.py {pids}"
    if ends == "by itself":
        assert suan(running, "run", "--", script).returncode == 0
    else:
        job = suan(running, "run", "-d", "--", f"{script}; sleep 600").stdout.strip()
        until(lambda: pids.exists() and pids.read_text().endswith("\n"), 30)
        assert suan(running, "cancel", job).returncode == 0
    pid, session = map(int, pids.read_text().split())
    assert pid != session
    until(lambda: not psutil.pid_exists(pid), 30, what="the escaped process is gone")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    environ = {"SUAN_REQUIRE_TOKENS": "1"}
    with server(tmp_path_factory.mktemp("guarded"), environ=environ) as started:
        yield started


def as_bearer(guarded: RunningServer, token: str | None) -> RunningServer:
    """The same server, to someone with this token and nothing else."""
    elsewhere = str(guarded.home / "elsewhere")
    environ = {**guarded.environ, "SUAN_HOME": elsewhere}
    if token is not None:
        environ["SUAN_TOKEN"] = token
    return RunningServer(guarded.home, guarded.process, guarded.url, environ)


def make_token(guarded: RunningServer, *arguments: str) -> str:
    made = suan(guarded, "token", "create", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_the_first_token_is_this_users_alone(guarded: RunningServer) -> None:
    token = guarded.home / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert suan(guarded, "run", "--", "echo", "in").stdout == "in\n"
    assert token.read_text() not in guarded.log


def test_no_token_and_a_wrong_one(guarded: RunningServer) -> None:
    assert "token" in refused(as_bearer(guarded, None), "queue", code=5)
    wrong = "suan_" + "0" * 40
    said = refused(as_bearer(guarded, wrong), "queue", code=5)
    assert wrong not in said
    refused(as_bearer(guarded, "gar bage"), "queue", code=5)


def test_an_expired_token_says_so(guarded: RunningServer) -> None:
    brief = as_bearer(guarded, make_token(guarded, "brief", "--expires", "1s"))
    until(lambda: suan(brief, "queue").returncode == 5, 30)
    assert "expired" in refused(brief, "queue", code=5)


@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [
        ("viewer", ("queue",), ("submit", "--", "true")),
        ("submitter", ("submit", "--", "true"), ("pool", "drain", "local")),
        ("operator", ("queues", "set", "q", "--weight", "2"), ("token", "create", "x")),
    ],
)
def test_a_token_too_weak_names_the_scope_it_takes(
    guarded: RunningServer, scope: str, may: tuple[str, ...], may_not: tuple[str, ...]
) -> None:
    bearer = as_bearer(guarded, make_token(guarded, f"a-{scope}", "--scope", scope))
    assert suan(bearer, *may).returncode == 0
    said = refused(bearer, *may_not, code=5)
    assert scope in said


def test_a_submitter_cannot_cancel_anothers_job(guarded: RunningServer) -> None:
    job = suan(guarded, "submit", "--gpus", "64", "--", "true").stdout.strip()
    bearer = as_bearer(guarded, make_token(guarded, "other", "--user", "other"))
    refused(bearer, "cancel", job, code=5)
    assert suan(guarded, "cancel", job).returncode == 0


JUMPING = """
import pathlib, sys
import suan.app.server as server, suan.control.controller as controller, suan.control.clock as clock
real, file = server.wall_clock, pathlib.Path(sys.argv.pop(1))
server.wall_clock = lambda: real() + int(file.read_text() or 0)
build = server.Controller
works = controller.Works(clock=server.wall_clock)
server.Controller = lambda *args, **kwargs: build(*args, works=works, **kwargs)
from suan.app.main import main
main()
"""
DAY_US = 86_400_000_000


def test_a_clock_that_jumps_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The server's wall clock goes a day forwards, two back and home again while jobs run."""
    offset, marks = tmp_path / "offset", tmp_path / "marks"
    marks.mkdir()
    set_clock(offset, 0)
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "serve.py").write_text(JUMPING)
    with (home / "server.log").open("ab") as log:
        environ = {**os.environ, "SUAN_HOME": str(home)}
        process = subprocess.Popen(
            [sys.executable, tmp_path / "serve.py", offset, "serve", "--port", "0"],
            env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    jumping = RunningServer(home, process, environ=environ)
    try:
        jumping.wait_ready()
        mark = f'echo x >> {marks}/$SUAN_JOB_ID; sleep 1; echo "$SUAN_ATTEMPT"'
        jobs = []
        for jump in (DAY_US, -DAY_US, 0):
            job = suan(jumping, "run", "-d", "--time-limit", "1h", "--", mark).stdout.strip()
            until((marks / job).exists, 30)
            set_clock(offset, jump)
            jobs += [job, suan(jumping, "submit", "--", mark).stdout.strip()]
            assert suan(jumping, "run", "--", "echo", "at once").stdout == "at once\n"
        for job in jobs:
            assert suan(jumping, "logs", "-f", job).stdout == "1\n"
            assert (marks / job).read_text() == "x\n"
        done = json.loads(suan(jumping, "status", "--json").stdout)["server"]
        ended = {state: count for state, count in done["jobs"].items() if count}
        assert (ended, done["leading"]) == ({"succeeded": 9}, True)
        detail = json.loads(suan(jumping, "show", jobs[0], "--json").stdout)
        assert 0 <= detail["bill"]["cpu_ms"] < 30_000
    finally:
        jumping.stop()
    replayed = suan(jumping, "replay", "--json")
    assert json.loads(replayed.stdout)["identical"] is True


def set_clock(file: Path, offset_us: int) -> None:
    """Let the clock jump, at one instant."""
    draft = file.with_suffix(".draft")
    draft.write_text(str(offset_us))
    draft.replace(file)
