"""The platform from its first start to its last stop, as a user types it."""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from suan.app.main import SERVER_COMMANDS
from suan.cli.main import build
from suan.cli.table import COMMANDS
from tests.acceptance.terminal import Terminal, terminal
from tests.waiting import until

SECRET = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with terminal(tmp_path_factory.mktemp("user"), SUAN_PORT="0") as opened:
        up = opened.type("up")
        assert up.returncode == 0, up.stderr
        yield opened


def one(terminal: Terminal, *arguments: str) -> str:
    """What a command that must succeed says, on one line."""
    done = terminal.type(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_up_needs_no_configuration(tmp_path: Path) -> None:
    with terminal(tmp_path, SUAN_PORT="0") as user:
        first = user.type("up")
        assert first.returncode == 0, first.stderr
        assert re.search(r"suan \S+ is up at http://127\.0\.0\.1:\d+", first.stdout)
        assert re.search(r"pool local \(local, ready\): 1 node, [\d.]+ cpu, ", first.stdout)
        assert "next: suan run" in first.stderr
        assert (user.home / "server.log").exists()
        again = user.type("up")
        assert (again.returncode, "already up" in again.stdout) == (0, True)
        assert user.type("run", "--", "true").returncode == 0
        assert one(user, "down").startswith("stopped the server at")
        assert one(user, "down") == "no server runs here"
        gone = user.type("queue")
        assert gone.returncode == 4
        assert "suan up" in gone.stderr


def test_a_killed_server_comes_back_to_its_jobs(tmp_path: Path) -> None:
    with terminal(tmp_path, SUAN_PORT="0", SUAN_LEASE_SECONDS="1") as user:
        assert user.type("up").returncode == 0
        gate = tmp_path / "gate"
        script = f"seq 1000; until test -e {gate}; do sleep 0.05; done; seq 1001 2000; exit 9"
        job = one(user, "run", "-d", "--", script)
        waiting = one(user, "submit", "--after", f"{job}:failed", "--", "echo", "after")
        until(lambda: "1000\n" in user.type("logs", job).stdout, 30)
        os.kill(user.server_pid, signal.SIGKILL)
        assert user.type("queue").returncode == 4
        assert user.type("up").returncode == 0
        gate.touch()
        followed = user.type("logs", "-f", job)
        assert followed.stdout.split() == [str(n) for n in range(1, 2001)]
        until(lambda: user.type("logs", "-f", waiting).stdout == "after\n", 30)
        detail = json.loads(one(user, "show", job, "--json"))
        assert (detail["job"]["state"], detail["job"]["exit_code"]) == ("failed", 9)
        assert [run["attempt"] for run in detail["runs"]] == [1]
        replayed = json.loads(one(user, "replay", "--json"))
        assert replayed["identical"] is True
        assert replayed["terms"] == 2
        assert replayed["plans"] > 2


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 42", 42), ("kill -TERM $$", 143), ("kill -9 $$", 137)],
)
def test_run_exits_as_its_job(shared: Terminal, script: str, code: int) -> None:
    assert shared.type("run", "--", script).returncode == code


def test_one_word_is_a_command_line_and_several_are_not(shared: Terminal) -> None:
    assert one(shared, "run", "--", "echo a; echo $((1 + 1))") == "a\n2"
    assert one(shared, "run", "--", "echo", "a;", "$HOME  *") == "a; $HOME  *"
    assert "echo" in shared.type("run", "--", "echo 'it''s'").stderr.splitlines()[0]


def test_the_run_says_what_it_does(shared: Terminal) -> None:
    done = shared.type("run", "--name", "chat", "--cpus", "0.5", "--memory", "64MiB", "--", "true")
    first, last = done.stderr.splitlines()
    assert re.fullmatch(r"suan: job \w{12} chat: cpus 0\.5, memory 64 MiB", first)
    assert re.fullmatch(
        r"suan: job \w{12} succeeded in [\d.]+ m?s on local · ¥0 · \S+ mWh · .* CO2e \(.*\)", last
    )


def test_a_copy_of_the_output_is_whole_and_apart(shared: Terminal, tmp_path: Path) -> None:
    """`#SBATCH --output` of two tasks: each task's own log, and one file with the lines of both."""
    script = tmp_path / "two.sbatch"
    script.write_text(
        f"#!/bin/bash\n#SBATCH -N 2 -c 1 --mem=32M -o {tmp_path}/both.out\n"
        'for i in $(seq 500); do echo "node $SLURM_NODEID line $i"; done; echo bad >&2\n'
    )
    done = shared.type("run", str(script))
    assert done.returncode == 0, done.stderr
    expected = sorted([f"node {n} line {i}" for n in (0, 1) for i in range(1, 501)] + ["bad"] * 2)
    assert sorted((tmp_path / "both.out").read_text().splitlines()) == expected
    assert sorted(line[4:] for line in done.stdout.splitlines()) == expected
    assert {line[:12] for line in done.stdout.splitlines()} == {
        "[0] node 0 l", "[1] node 1 l", "[0] bad", "[1] bad",
    }  # fmt: skip


def test_what_is_asked_for_is_shown_for_people(shared: Terminal) -> None:
    job = one(shared, "submit", "--gpus", "1", "--time-limit", "90m", "--", "true")
    shown = one(shared, "show", job)
    assert "cpus 1, gpu:1" in shown
    assert "time_limit  1h30m" in shown
    assert "*" not in one(shared, "queue")
    one(shared, "cancel", job)


def test_variables_given_here_fill_what_a_file_leaves_open(
    shared: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "open.yaml"
    file.write_text("envs:\n  WHO:\nsecrets:\n  KEY:\nrun: echo $WHO ${#KEY}\n")
    bad = shared.type("run", str(file))
    assert bad.returncode == 2
    assert "WHO" in bad.stderr
    done = shared.type("run", "-e", "WHO=me", "--secret", "KEY=12345", str(file))
    assert (done.returncode, done.stdout) == (0, "me 5\n")
    both = shared.type(
        "submit", "--json", "-w", "--secret", f"WHO={SECRET}", "--secret", "KEY=1", str(file)
    )
    assert both.returncode == 0, both.stderr
    assert SECRET not in both.stdout


def test_ctrl_c_cancels_and_says_so(shared: Terminal, tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    script = f"trap 'touch {mark}; exit 1' TERM; echo up; while :; do sleep 0.1; done"
    running = shared.start("run", "--name", "stopme", "--", script)
    assert running.stdout is not None
    assert running.stdout.readline() == b"up\n"
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"cancelled" in said
    until(mark.exists, 30)

    def state() -> str:
        listed = json.loads(one(shared, "queue", "-a", "--name", "stopme", "--json"))
        return str(listed["jobs"][0]["state"])

    until(lambda: state() == "cancelled", 30)


def test_a_cancelled_job_ends_with_all_it_started(shared: Terminal, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    job = one(shared, "run", "-d", "--", f"sleep 300 & echo $! $$ > {pids}; wait")
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 30)
    one(shared, "cancel", job)
    until(lambda: not any(map(alive, pids.read_text().split())), 30)
    waited = shared.type("logs", "-f", job)
    assert waited.returncode == 0
    assert json.loads(one(shared, "show", job, "--json"))["job"]["state"] == "cancelled"


def alive(pid: str) -> bool:
    """Whether a process runs."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return ") Z " not in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_secret_is_nowhere_but_in_its_place(tmp_path: Path) -> None:
    with terminal(tmp_path, SUAN_PORT="0") as user:
        assert user.type("up").returncode == 0
        script = f'test ${{#KEY}} = {len(SECRET)} && echo "key: $KEY" >&2'
        job = one(user, "submit", "-w", "--secret", f"KEY={SECRET}", "--", script)
        quiet = one(user, "submit", "-w", "--secret", f"KEY={SECRET}", "--", 'test -n "$KEY"')
        for arguments in (
            ("show", job), ("show", job, "--json"), ("logs", job, "--stderr"), ("why", job),
            ("events", "--json"), ("queue", "-a", "--json"), ("plan", "--json", "--", "true"),
        ):  # fmt: skip
            assert SECRET not in one(user, *arguments)
        assert one(user, "logs", job, "--stderr") == "key: ***"
        assert one(user, "down")
        kept = [p for p in user.home.rglob("*") if p.is_file() and not p.name.startswith("suan.db")]
        own_log = f"/{job}-r1/task-0.stderr"  # what a job prints itself, masked wherever it is read
        told = [str(p) for p in kept if SECRET.encode() in p.read_bytes()]
        assert [path for path in told if not path.endswith(own_log)] == []
        assert any(quiet in str(path) for path in kept)
        assert tables_with(user.home / "suan.db", SECRET) == {"spec_secrets"}


def tables_with(database: Path, value: str) -> set[str]:
    """The tables of which a row holds ``value`` in any column."""
    found = set()
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert len(names) > 5
        for (name,) in names:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                cells = (c if isinstance(c, bytes) else str(c).encode() for c in row)
                if any(value.encode() in unpacked(cell) for cell in cells):
                    found.add(name)
    connection.close()
    return found


def unpacked(cell: bytes) -> bytes:
    """A cell, and what it holds compressed."""
    import zlib

    try:
        return cell + zlib.decompress(cell)
    except zlib.error:
        return cell


def with_json() -> set[str]:
    """Every command that has --json."""
    found = set()

    def walk(command: click.Command, path: tuple[str, ...]) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                walk(below, (*path, name))
        elif any("--json" in option.opts for option in command.params):
            found.add(" ".join(path))

    walk(build({**COMMANDS, **SERVER_COMMANDS}), ())
    return found


def test_json_of_every_command_can_be_read(shared: Terminal) -> None:
    job = one(shared, "submit", "-w", "--", "true")
    token = json.loads(one(shared, "token", "create", "one", "--json"))["id"]
    typed = {
        "run": ("run", "--", "true"),
        "submit": ("submit", "--", "true"),
        "queue": ("queue", "-a"),
        "why": ("why", job),
        "show": ("show", job),
        "pull": ("pull", job),
        "logs": ("logs", job),
        "cancel": ("cancel", job),
        "plan": ("plan", "--", "true"),
        "status": ("status",),
        "pool list": ("pool", "list"),
        "pool show": ("pool", "show", "local"),
        "pool check": ("pool", "check", "local"),
        "pool drain": ("pool", "drain", "local"),
        "pool undrain": ("pool", "undrain", "local"),
        "queues list": ("queues", "list"),
        "queues set": ("queues", "set", "default", "--weight", "1"),
        "tenants list": ("tenants", "list"),
        "tenants set": ("tenants", "set", "lab/vision", "--weight", "2"),
        "limits list": ("limits", "list"),
        "limits set": ("limits", "set", "ann", "--running", "4"),
        "reservations make": (
            *("reservations", "make", "later", "--pool", "local", "--begin", "+2d"),
            *("--for", "1h", "--tenant", "lab"),
        ),
        "reservations list": ("reservations", "list"),
        "reservations cancel": ("reservations", "cancel", "later"),
        "peer offer": ("peer", "offer", "them", "local"),
        "peer list": ("peer", "list"),
        "peer revoke": ("peer", "revoke", "them", "local"),
        "site list": ("site", "list"),
        "events": ("events",),
        "up": ("up",),
        "doctor": ("doctor",),
        "token create": ("token", "create", "two"),
        "token list": ("token", "list"),
        "token revoke": ("token", "revoke", token),
        "replay": ("replay",),
    }
    assert set(typed) | {"down", "simulate"} == with_json()  # tests/sim has the latter
    for name, arguments in typed.items():
        head, *rest = arguments
        at = rest.index("--") if "--" in rest else len(rest)
        done = shared.type(head, *rest[:at], "--json", *rest[at:])
        assert done.returncode == 0, (name, done.stderr)
        assert isinstance(json.loads(done.stdout), dict), name


def test_down_tells_programs_too(tmp_path: Path) -> None:
    with terminal(tmp_path) as user:
        assert json.loads(one(user, "down", "--json")) == {"stopped": False, "running": 0}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(shared: Terminal, shell: str) -> None:
    assert "_SUAN_COMPLETE" in one(shared, "completion", shell)


def test_bash_reads_the_completion_script(shared: Terminal) -> None:
    script = one(shared, "completion", "bash")
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
