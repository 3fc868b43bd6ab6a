"""What must hold before a run may start here, and what is laid out for it."""

import os
import shutil
import socket
from itertools import count
from pathlib import Path

from suan.content.cache import Broken, Cache, Missing
from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.pool import Launch
from suan.pools.script import SETUP_AND_RUN

_FIRST_PORT, _LAST_PORT = 20000, 32000  # below the range of outgoing connections
_ports = count()


def working_directory(launch: Launch, run_directory: Path) -> Path:
    """Where the tasks run: the job's own ``workdir`` as it is, else a directory of the run.

    Raises:
        PoolRejected: the ``workdir`` is not a directory of this machine.
    """
    if launch.workdir is None:
        return run_directory / "work"
    path = Path(launch.workdir).expanduser()
    if not path.is_absolute():
        raise PoolRejected(
            f"workdir {launch.workdir!r} is not an absolute path",
            mend="submit with the command line, which makes it absolute",
        )
    if not path.is_dir():
        raise PoolRejected(
            f"workdir {launch.workdir!r} is not a directory on this machine",
            mend="make it, or name one that exists; or submit with --copy, to send a copy",
        )
    if not os.access(path, os.X_OK):
        raise PoolRejected(f"workdir {launch.workdir!r} cannot be entered: permission denied")
    return path


def copies(launch: Launch, workdir: Path, cache: Cache) -> None:
    """Lay out what the job brings, for the run to change.

    Raises:
        PoolUnavailable: some of it is not here any more.
        PoolRejected: it cannot be laid out there.
    """
    if launch.workdir is not None:
        raise PoolRejected(
            "a job that runs in a folder of this machine cannot bring mounts of its own",
            mend="submit it with --copy, so that its workdir is copied, too",
        )
    try:
        for parcel in launch.parcels:
            cache.lay_out(parcel.digest, str(workdir), parcel.target)
    except Missing as error:
        raise PoolUnavailable(str(error)) from error
    except Broken as error:
        raise PoolRejected(str(error)) from error


def links(launch: Launch, workdir: Path) -> list[tuple[Path, Path]]:
    """``file_mounts`` as symbolic links to make: ``(link, target)``, under the working directory.

    Raises:
        PoolRejected: a source is remote or missing, or a destination is outside or taken.
    """
    found = []
    for destination, source in sorted(launch.file_mounts.items()):
        target = _target(destination, source, workdir)
        link = Path(os.path.normpath(workdir / Path(destination)))
        if workdir not in link.parents:
            raise PoolRejected(
                f"file_mounts: {destination!r} lies outside the working directory",
                mend="use a relative destination: the local pool mounts below the workdir only",
            )
        if link.is_symlink() and link.readlink() == target:
            continue
        if link.exists() or link.is_symlink():
            raise PoolRejected(
                f"file_mounts: {destination!r} exists already in {workdir}",
                mend="choose another destination, or move it away",
            )
        found.append((link, target))
    return found


def _target(destination: str, source: str, workdir: Path) -> Path:
    if "://" in source:
        raise PoolRejected(
            f"file_mounts: {destination!r} comes from {source!r}; the local pool cannot fetch URLs",
            mend="fetch it in `setup`, or give a path on this machine",
        )
    target = Path(os.path.normpath(workdir / Path(source).expanduser()))
    if not target.exists():
        raise PoolRejected(f"file_mounts: the source {source!r} of {destination!r} does not exist")
    return target


def output_path(path: str | None, workdir: Path) -> str | None:
    """An extra output file's absolute path.

    Raises:
        PoolRejected: it cannot be written.
    """
    if path is None:
        return None
    absolute = workdir / Path(path).expanduser()
    parent = absolute.parent
    if parent != workdir and not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise PoolRejected(
            f"the output file {str(absolute)!r} cannot be written",
            mend=f"make the directory {str(parent)!r} writable first",
        )
    if absolute.is_dir():
        raise PoolRejected(f"the output file {str(absolute)!r} is a directory")
    return str(absolute)


def script(launch: Launch) -> tuple[list[str], dict[str, str]]:
    """The command of every task with ``{directory}`` in it, and the files that it needs.

    ``setup`` and ``run`` share one shell; a failed setup ends the task. A ``run`` that names its
    own interpreter (``#!``) is executed as it is.
    """
    shell = shutil.which("bash") or "/bin/sh"
    if launch.setup is None:
        named = launch.script.startswith("#!")
        return (["{directory}/run"] if named else [shell, "{directory}/run"]), {
            "run": launch.script
        }
    return [shell, "{directory}/both"], {
        "setup": launch.setup,
        "run": launch.script,
        "both": SETUP_AND_RUN,
    }


def free_port(taken: set[int]) -> int:
    """A port for the run's rendezvous that nothing listens on now and no live run was given.

    Raises:
        PoolRejected: none is free.
    """
    span = _LAST_PORT - _FIRST_PORT
    for _ in range(span):
        port = _FIRST_PORT + (os.getpid() * 7 + next(_ports)) % span
        if port in taken:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise PoolRejected(f"no port from {_FIRST_PORT} to {_LAST_PORT} is free")
