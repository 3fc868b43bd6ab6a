"""What ``suan doctor`` looks at: each check is a function that gives findings."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import click

from suan import __version__
from suan.cli import format as form
from suan.cli.connect import connect
from suan.client import calls
from suan.client.discovery import Endpoint, find, home
from suan.client.errors import ServerUnreachable
from suan.client.plain import PlainSender
from suan.client.wire import request
from suan.model.errors import SuanError

DEFAULT_PORT, MAX_PORT = 7826, 65535
LEAST_FREE_BYTES = 1 << 30
MOST_SKEW_S = 2.0
TIMEOUT_S = 10.0
# Each vendor's own tool, which the local pool asks for its accelerators.
VENDOR_TOOLS = {
    "nvidia-smi": "NVIDIA",
    "npu-smi": "Huawei Ascend",
    "rocm-smi": "AMD",
    "cnmon": "Cambricon",
    "mthreads-gmi": "Moore Threads",
    "hy-smi": "Hygon",
    "mx-smi": "MetaX",
    "xpu-smi": "Intel",
    "efsmi": "Enflame",
    "ixsmi": "Iluvatar CoreX",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``ok``, ``warn`` or ``fail``; what was seen; and what to do about it."""

    check: str
    level: str
    said: str
    mend: str = ""


def python() -> Iterator[Finding]:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", f"{version} at {sys.executable}, suan {__version__}")


def directory() -> Iterator[Finding]:
    """suan's own directory: can it be written, is it private, is there space?"""
    path = home()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        mend = "set SUAN_HOME to a directory that you may write"
        yield Finding("home", "fail", f"{path} cannot be written", mend)
        return
    yield Finding("home", "ok", str(path) + ("" if there == path else " (made on first use)"))
    free = shutil.disk_usage(there).free
    low = free < LEAST_FREE_BYTES
    yield Finding(
        "disk",
        "warn" if low else "ok",
        f"{form.memory(free >> 20)} free",
        "make room: the store and the logs of runs live there" if low else "",
    )
    yield from _token(path / "token")


def _token(path: Path) -> Iterator[Finding]:
    if path.exists() and path.stat().st_mode & 0o077:
        yield Finding("token", "warn", f"{path} can be read by others", f"chmod 600 {path}")


def server() -> Iterator[Finding]:
    """The server: does it answer, is it well, is it our version, do our clocks agree?"""
    context = click.get_current_context(silent=True)
    try:
        endpoint = find(context.find_root().obj if context else None)
        with connect(endpoint.url, timeout_s=TIMEOUT_S) as client:
            health, view = client.health(), client.server()
        yield from _health(endpoint, health)
        yield _version(view.version)
        yield from _skew(endpoint)
    except ServerUnreachable as error:
        yield Finding("server", "warn", error.message, error.mend)
        yield from _port()
    except SuanError as error:
        yield Finding("server", "fail", error.message, error.mend)


def _health(endpoint: Endpoint, health: dict[str, Any]) -> Iterator[Finding]:
    yield Finding("server", "ok", f"{endpoint.url} answers (from {endpoint.source})")
    for name, said in health["checks"].items():
        well = said == "ok"
        mend = "" if well else "see $SUAN_HOME/server.log on its machine"
        yield Finding(f"server {name}", "ok" if well else "fail", str(said), mend)


def _version(theirs: str) -> Finding:
    if theirs == __version__:
        return Finding("version", "ok", f"the server is suan {theirs} too")
    mend = "install the same version on both sides"
    return Finding("version", "warn", f"the server is suan {theirs}, this is {__version__}", mend)


def _skew(endpoint: Endpoint) -> Iterator[Finding]:
    """The Date header is a whole second, so a second of difference may be none."""
    reply = PlainSender(TIMEOUT_S).send(request(calls.health(), endpoint))
    if "date" not in reply.headers:
        return
    theirs = parsedate_to_datetime(reply.headers["date"]).timestamp()
    skew_s = time.time() - theirs - 0.5
    level = "warn" if abs(skew_s) > MOST_SKEW_S else "ok"
    mend = "let both machines set their clocks by NTP" if level == "warn" else ""
    said = f"{form.seconds(skew_s)} ahead of the server's" if level == "warn" else "agree"
    yield Finding("clocks", level, said, mend)


def _port() -> Iterator[Finding]:
    """Whether `suan up` could listen."""
    given = os.environ.get("SUAN_PORT", "")
    port = int(given) if given.isdecimal() and int(given) <= MAX_PORT else DEFAULT_PORT
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            mend = "`suan up --port 0` finds a free one"
            yield Finding("port", "warn", f"{port} cannot be had: {error.strerror}", mend)
        else:
            yield Finding("port", "ok", f"{port} is free")


def accelerators() -> Iterator[Finding]:
    """Which vendors' tools are here; the local pool asks them what there is."""
    found = [f"{tool} ({vendor})" for tool, vendor in VENDOR_TOOLS.items() if shutil.which(tool)]
    if found:
        yield Finding("accelerators", "ok", ", ".join(found))
    else:
        mend = "none is needed for CPU jobs; pools.yaml can declare accelerators as well"
        yield Finding("accelerators", "ok", f"no vendor's tool is found; {mend}")


def cgroups() -> Iterator[Finding]:
    """Whether limits can be set by cgroup v2; without, rlimits are used."""
    mount = Path("/sys/fs/cgroup")
    if not (mount / "cgroup.controllers").exists():
        said = "cgroup v2 is not mounted: memory is limited by rlimits, process by process"
        mend = "none is needed to run jobs; mount cgroup v2 at /sys/fs/cgroup for exact limits"
        yield Finding("cgroups", "warn", said, mend)
        return
    own = own_cgroup(mount)
    if os.access(own, os.W_OK):
        yield Finding("cgroups", "ok", f"{own} can be written: memory and CPU limits are exact")
    else:
        mend = "for exact limits start it in a scope of its own: systemd-run --user --scope suan up"
        said = f"{own} cannot be written: memory is limited by rlimits, process by process"
        yield Finding("cgroups", "warn", said, mend)


def own_cgroup(mount: Path) -> Path:
    """The cgroup that this process is in."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        if line.startswith("0::"):
            return mount / line.removeprefix("0::").lstrip("/")
    return mount


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    directory,
    server,
    accelerators,
    cgroups,
)
