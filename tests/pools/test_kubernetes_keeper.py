"""What a pod's keeper does with its output, in namespaces of its own, under a runtime that a test
can make as slow as it likes."""

import fcntl
import os
import subprocess
import threading

import pytest

from suan.pools.kubernetes.manifest import keeper
from suan.pools.kubernetes.parting import Kept, Parting

MARK = "\x1b]7777;0badcafe\x07"
AT = b"2026-11-29T02:00:00.000000000Z "
CHUNK = 32 << 10  # what containerd's shim reads at once
DROPPED = (64 << 10) + CHUNK
# A file system of its own where the keeper writes, and no process but its own: it kills the others.
INSIDE = """
mount -t tmpfs none /run && mkdir /run/suan-control /run/dev && cp -a /dev/null /run/dev/
mount --bind /run/dev /dev && ln -s /proc/self/fd /dev/fd
exec bash -c "$1" suan
"""


class SlowRuntime(threading.Thread):
    """Drops at the end what it has read last, as containerd 1.6.20 does of what its named pipe has
    (64 KiB), and its shim of what it could not write there (32 KiB)."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self._end = end
        self.kept = b""
        self.start()

    def run(self) -> None:
        while chunk := os.read(self._end, CHUNK):
            self.kept += chunk
        self.kept = self.kept[:-DROPPED]
        os.close(self._end)


def namespaces() -> str:
    """Why there can be none here; empty if there can."""
    asked = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stderr.strip()


def keep(script: str) -> tuple[SlowRuntime, SlowRuntime]:
    """Run a script under the keeper; what a slow runtime has of both streams."""
    if why := namespaces():
        pytest.skip(f"a keeper takes namespaces of its own: {why}")
    told = {"LIMIT_MS": "0", "GRACE_MS": "1000", "GANG": "0", "MARK": MARK, "RUN": script,
            "IP": "127.0.0.1"}  # fmt: skip
    env = {"PATH": os.environ["PATH"]} | {f"SUAN_K_{name}": value for name, value in told.items()}
    command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", INSIDE, "-"]
    (out, into_out), (err, into_err) = os.pipe(), os.pipe()
    for end in (into_out, into_err):
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << 16)
    runtimes = SlowRuntime(out), SlowRuntime(err)
    try:
        done = subprocess.run(
            [*command, keeper()], env=env, stdin=subprocess.DEVNULL, stdout=into_out,
            stderr=into_err, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(into_out)
        os.close(into_err)
        for each in runtimes:
            each.join()
    assert done.returncode == 3, runtimes[1].kept
    return runtimes


@pytest.mark.parametrize("last", ["printf 'no newline'", "echo 'a line'", "true"])
def test_a_log_comes_whole_through_a_runtime_that_drops_what_it_holds(last: str) -> None:
    out, err = keep(f"seq 20000; {last}; echo oops >&2; printf 'half' >&2; exit 3")
    parting = Parting(Kept(), MARK.encode())
    lines = out.kept.split(b"\n")[:-1] + err.kept.split(b"\n")[:-1]
    said = b"".join(AT + line + b"\n" for line in lines)
    stdout, stderr = parting.feed(said)
    own = {"printf 'no newline'": b"no newline", "echo 'a line'": b"a line\n", "true": b""}
    assert stdout == b"".join(b"%d\n" % each for each in range(1, 20001)) + own[last]
    assert stderr == b"oops\nhalf"
    assert parting.whole
