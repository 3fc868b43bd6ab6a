"""A maintenance window through the command line: kept, told by `suan why`, over a restart."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suan.client import Client
from tests.servers import server, suan
from tests.waiting import until

pytestmark = pytest.mark.acceptance
SMALL = ("--cpus", "0.1", "--memory", "64MB")


def submitted(running, *options: str) -> str:
    made = suan(running, "submit", "--json", *SMALL, *options, "--", "sleep", "600")
    assert made.returncode == 0, made.stderr
    job: str = json.loads(made.stdout)["jobs"][0]
    return job


def state(running, job: str) -> str:
    with Client(running.url) as client:
        return client.get(job).job.state


def test_maintenance_is_kept_told_and_outlives_a_server(tmp_path: Path) -> None:
    with server(tmp_path) as running:
        before = submitted(running)
        until(lambda: state(running, before) == "running", what="it runs")
        options = ("--pool", "local", "--begin", "+1h", "--for", "4h")
        made = suan(
            running, "reservations", "make", "disks", *options, "--maintenance", "--reason", "new"
        )
        assert made.returncode == 0, made.stderr
        assert "maintenance" in made.stdout
        assert f"1 run may go on when it begins, and nobody ends them: {before}-r1" in made.stderr
        endless, short = submitted(running), submitted(running, "--time-limit", "30m")
        until(lambda: state(running, short) == "running", what="it ends before the window")
        assert state(running, before) == "running", "what runs is left alone"
        why = suan(running, "why", endless).stdout
        assert "is reserved for maintenance (disks: new) in 59 min" in why
        assert "reservation disks ends or is cancelled, or this job is given a time limit" in why
        again = suan(running, "reservations", "make", "more", *options, "--user", "ann")
        assert again.returncode != 0
        assert "reservation disks keeps" in again.stderr
    with server(tmp_path) as running:
        assert "disks" in suan(running, "reservations", "list").stdout
        assert "reserved" in suan(running, "why", endless).stdout
        assert state(running, endless) == "pending"
        gone = suan(running, "reservations", "cancel", "disks")
        assert gone.stdout == "reservation disks is cancelled\n"
        until(lambda: state(running, endless) == "running", what="it starts once that is cancelled")
        assert suan(running, "reservations", "list").stdout == "no reservations\n"
        mine = ("--pool", "local", "--for", "4h", "--user", getpass.getuser(), "--json")
        told = json.loads(suan(running, "reservations", "make", "own", *mine).stdout)
        assert told["users"] == [getpass.getuser()]
        admitted = submitted(running)
        until(lambda: state(running, admitted) == "running", what="he is admitted")
        suan(running, "cancel", "--yes", before, short, endless, admitted)
        replayed = suan(running, "replay", "--home", str(tmp_path))
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_job_asks_to_run_in_one_and_nowhere_else(tmp_path: Path) -> None:
    """The pool is free: it waits for the reservation all the same, before and after a restart."""
    with server(tmp_path) as running:
        asked = submitted(running, "--reservation", "course")
        said = "the job asks to run in reservation course, which keeps no node of this pool"
        until(lambda: said in suan(running, "why", asked).stdout, what="there is no such")
    with server(tmp_path) as running:
        assert state(running, asked) == "pending"
        options = ("--pool", "local", "--for", "4h")
        others = ("reservations", "make", "course", *options, "--begin", "now", "--user", "nobody")
        assert suan(running, *others).returncode == 0
        whom = "reservation course, which is for user nobody; it does not admit tenant default"
        until(lambda: whom in suan(running, "why", asked).stdout, what="it is for another")
        assert suan(running, "reservations", "cancel", "course").returncode == 0
        mine = ("--user", getpass.getuser())
        made = suan(running, "reservations", "make", "course", *options, "--begin", "+1h", *mine)
        assert made.returncode == 0, made.stderr
        begins = "the job asks to run in reservation course, which begins in 59 min"
        until(lambda: begins in suan(running, "why", asked).stdout, what="it is to come")
        assert suan(running, "reservations", "cancel", "course").returncode == 0
        made = suan(running, "reservations", "make", "course", *options, "--begin", "now", *mine)
        assert made.returncode == 0, made.stderr
        until(lambda: state(running, asked) == "running", what="it runs in it")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--for", "4h"), "say whom it admits"),
        (("--maintenance",), "say how long"),
        (("--maintenance", "--for", "4h", "--until", "+5h"), "say how long"),
        (("--maintenance", "--begin", "soon", "--for", "4h"), "'soon' is no moment"),
        (("--maintenance", "--begin", "+2h", "--until", "+1h"), "end before it begins"),
        (("--maintenance", "--for", "4h", "--nodes", "a", "--count", "2"), "not both"),
        (("--maintenance", "--user", "ann", "--for", "4h"), "say whom it admits"),
    ],
)
def test_what_makes_no_sense(arguments: tuple[str, ...], said: str) -> None:
    """It is refused before anybody is asked."""
    done = subprocess.run(
        [sys.executable, "-m", "suan", "reservations", "make", "x", "--pool", "local", *arguments],
        env={**os.environ, "SUAN_SERVER": "http://127.0.0.1:9", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
