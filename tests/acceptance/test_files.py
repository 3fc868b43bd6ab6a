"""Files that jobs bring, over a line that may break, as a user types it."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.terminal import Terminal
from tests.breaking import Line, line_to
from tests.servers import RunningServer, server, start_server
from tests.webserver import web

MB = 1_000_000


@pytest.fixture
def far(tmp_path: Path) -> Iterator[RunningServer]:
    with server(tmp_path / "server") as running:
        yield running


@pytest.fixture
def line(far: RunningServer) -> Iterator[Line]:
    parts = urlsplit(far.url)
    with line_to(str(parts.hostname), int(parts.port or 0)) as opened:
        yield opened


@pytest.fixture
def user(tmp_path: Path, line: Line) -> Terminal:
    """Somebody whose only way to the server is the line."""
    where = tmp_path / "laptop"
    where.mkdir()
    return Terminal(where, SUAN_SERVER=line.url)


def write(folder: Path, **files: bytes | str) -> None:
    for name, what in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(what.encode() if isinstance(what, str) else what)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def ran(user: Terminal, *arguments: str) -> str:
    done = user.type("run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_job_runs_on_a_copy_and_an_edit_sends_one_file(
    user: Terminal, line: Line, tmp_path: Path
) -> None:
    write(
        user.where,
        project__train_dot_py="print(open('data/a', 'rb').read(3), open('conf/model').read())",
        project__data__a=b"abc" + noise(3 * MB),
        project__data__b=noise(2 * MB, 2),
        project__huge_dot_log=noise(MB, 3),
        project___dot_gitignore="*.log\n",
        model="weights",
        job_dot_yaml="""
            workdir: project
            file_mounts: {conf/model: model}
            run: |
              python3 train.py; ls; echo changed > data/a
        """,
    )
    assert ran(user, "--copy", "job.yaml") == "b'abc' weights\nconf\ndata\ntrain.py\n"
    assert 5 * MB < line.sent < 5.2 * MB
    line.sent = 0
    assert ran(user, "--copy", "job.yaml").startswith(
        "b'abc' weights\n"
    )  # what the first one changed
    assert line.sent < 20_000
    write(user.where, project__data__b=noise(MB, 4))
    line.sent = 0
    assert ran(user, "--copy", "job.yaml").startswith("b'abc' weights\n")
    assert MB < line.sent < 1.1 * MB
    kept = tmp_path / "server" / "content"
    assert sum(each.stat().st_size for each in kept.rglob("*") if each.is_file()) < 6.1 * MB


def test_it_is_sent_on_from_where_the_line_broke(user: Terminal, line: Line) -> None:
    write(user.where, w__big=noise(30 * MB), w__small="x")
    line.breaks_every, line.breaks = 6 * MB, 4
    said = ran(user, "--copy", "--workdir", "w", "--", "sh -c 'wc -c < big; cat small'")
    assert said == f"{30 * MB}\nx"
    assert line.sent < 30 * MB + 5 * 4.3 * MB  # at most a piece again for each break


def test_it_goes_on_after_the_server_was_killed(
    user: Terminal, far: RunningServer, line: Line, tmp_path: Path
) -> None:
    write(user.where, w__big=noise(40 * MB))
    line.hold = "sent", 10 * MB
    submitting = user.start("submit", "--copy", "--workdir", "w", "--", "md5sum", "big")
    assert line.held.wait(60)
    os.kill(far.process.pid, signal.SIGKILL)
    far.process.wait()
    line.go.set()
    port = str(urlsplit(far.url).port)
    again = start_server(tmp_path / "server", "--port", port)
    try:
        again.wait_ready()
        out, err = submitting.communicate(timeout=60)
        assert submitting.returncode == 0, err.decode()
        assert user.type("logs", "-f", out.decode().strip()).stdout.endswith(" big\n")
        assert line.sent < 50 * MB
    finally:
        again.stop()


def test_on_the_servers_own_machine_the_folder_itself_is_used(user: Terminal, line: Line) -> None:
    write(user.where, w__a="x")
    ran(user, "--workdir", "w", "--", "sh -c 'echo here > a'")
    assert (user.where / "w/a").read_text() == "here\n"
    assert line.sent < 10_000


def test_what_is_left_out_is_told(user: Terminal) -> None:
    write(user.where, w__a="x", secret="no")
    (user.where / "w/out").symlink_to("../secret")
    done = user.type("run", "--copy", "--workdir", "w", "--", "ls")
    assert done.stdout == "a\n"
    assert "left out: out is a link that leads outside" in done.stderr


def test_a_folder_that_nobody_means_to_send(user: Terminal, line: Line) -> None:
    with (user.where / "film").open("wb") as file:
        file.truncate(60 << 30)
    done = user.type("run", "--copy", "--", "true")
    assert done.returncode == 2
    assert ".skyignore" in done.stderr
    assert line.sent < 10_000


def test_a_server_without_room_says_so(user: Terminal, tmp_path: Path) -> None:
    write(user.where, w__big=noise(9 * MB))
    environ = {"SUAN_CONTENT_GIB": "0.004", "SUAN_CONTENT": str(tmp_path / "elsewhere")}
    with server(tmp_path / "small", environ=environ) as small:
        done = user.type(
            "run", "--copy", "--workdir", "w", "--", "true", environ={"SUAN_SERVER": small.url}
        )
    assert done.returncode == 7
    assert "may hold 4,294,967" in done.stderr
    assert (tmp_path / "elsewhere").is_dir()


def test_a_file_that_changes_while_it_is_sent(user: Terminal, line: Line) -> None:
    write(user.where, w__big=noise(40 * MB))
    line.hold = "sent", 10 * MB
    submitting = user.start("submit", "--copy", "--workdir", "w", "--", "true")
    assert line.held.wait(60)
    with (user.where / "w/big").open("r+b") as file:
        file.write(noise(40 * MB, 2))
    line.go.set()
    _, said = submitting.communicate(timeout=60)
    assert submitting.returncode == 2
    assert b"is something else" in said


LEAVES = """
    cd "$SUAN_OUTPUT_DIR"; mkdir deep; head -c 20000000 /dev/zero > deep/model; printf ok > 结果
    cd "$OLDPWD"; mkdir logs; printf 1 > logs/1; printf 2 > logs/2; printf no > other
"""


def left_by(user: Terminal) -> str:
    write(user.where, leaves_dot_yaml=f"run: |{LEAVES}outputs: [logs/]\n")
    done = user.type("submit", "-w", "leaves.yaml")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pulled(user: Terminal, *arguments: str) -> str:
    done = user.type("pull", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_job_leaves_comes_back_once(user: Terminal, line: Line) -> None:
    job = left_by(user)
    shown = json.loads(pulled(user, job, "--list", "--json"))
    assert [(f["path"], f["size"]) for f in shown["files"]] == [
        ("deep/model", 20_000_000), ("logs/1", 1), ("logs/2", 1), ("结果", 2),
    ]  # fmt: skip
    line.given, line.breaks_every, line.breaks = 0, 3_000_000, 3
    pulled(user, job)
    assert line.broken == 3
    assert line.given < 20_000_000 + 3 * 4_300_000
    assert (user.where / job / "deep/model").read_bytes() == bytes(20_000_000)
    assert (user.where / job / "结果").read_text() == "ok"
    assert sorted(p.name for p in (user.where / job).rglob("*") if p.is_file()) == [
        "1", "2", "model", "结果",
    ]  # fmt: skip
    line.given = 0
    (user.where / job / "logs/1").write_text("spoilt")
    again = user.type("pull", job)
    assert "1 file fetched into" in again.stderr
    assert "3 were here" in again.stderr
    assert line.given < 10_000
    assert (user.where / job / "logs/1").read_text() == "1"


def test_parts_of_it_and_elsewhere(user: Terminal) -> None:
    job = left_by(user)
    assert pulled(user, job, "logs", "-o", "here") == "here/logs/1\nhere/logs/2\n"
    absent = user.type("pull", job, "other")
    assert absent.returncode == 3
    assert "has left nothing at 'other'" in absent.stderr
    (user.where / "file").write_text("")
    assert user.type("pull", job, "-o", "file/x").returncode == 2
    assert user.type("pull", "0" * 12).returncode == 3
    waits = user.type("submit", "--gpus", "TPU:9", "--", "true").stdout.strip()
    assert "has no run yet" in user.type("pull", waits).stderr


def test_a_fetch_that_was_ended_is_gone_on_with(user: Terminal, line: Line) -> None:
    job = left_by(user)
    line.given, line.hold = 0, ("given", 10 * MB)
    pulling = user.start("pull", job)
    assert line.held.wait(60)
    pulling.kill()
    pulling.communicate()
    line.go.set()
    folder = user.where / job / "deep"
    (part,) = folder.iterdir()
    before = part.stat().st_size
    assert before >= 8 * MB  # two requests
    line.given = 0
    pulled(user, job, "deep")
    assert line.given < 20_000_000 - before + 100_000
    assert (folder / "model").read_bytes() == bytes(20_000_000)
    assert len(list(folder.iterdir())) == 1


def test_inputs_by_url_and_by_path_are_beside_the_job(user: Terminal, tmp_path: Path) -> None:
    write(user.where, mine="local", w__a="x")
    with web() as site, server(tmp_path / "near", environ={"SUAN_FETCH": site.url}) as near:
        site.files |= {"/data/digits.csv": b"1,2,3\n", "/weights": b"w"}
        write(
            user.where,
            job_dot_yaml=f"""
                workdir: w
                inputs: [{site.url}/data/digits.csv?x=1, mine]
                file_mounts: {{model/w: {site.url}/weights}}
                run: cat inputs/digits.csv inputs/mine model/w a
            """,
        )
        here = {"SUAN_SERVER": near.url}
        for _ in range(2):
            done = user.type("run", "job.yaml", environ=here)
            assert (done.returncode, done.stdout) == (0, "1,2,3\nlocalwx"), done.stderr
        assert site.given == 7  # each once
        in_place = user.type("run", "--in-place", "job.yaml", environ=here)
        assert in_place.returncode == 2
        assert "--copy" in in_place.stderr
    refused = user.type("submit", "job.yaml")
    assert refused.returncode == 2
    assert "SUAN_FETCH" in refused.stderr
