"""Directories, mounts, scripts and logs of runs, on the file system that the nodes share."""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH101, PTH103, PTH110, PTH111, PTH112, PTH114, PTH115, PTH117, PTH118, PTH120, PTH123, PTH211

import os
import tempfile
from typing import Any

from suan.content.cache import Broken, Cache, Missing
from suan.pools.slurm.login.attempts import Attempts, write
from suan.pools.slurm.login.commands import Trouble


def working_directory(asked: "str | None", directory: str) -> str:
    """Where the tasks run: the job's ``workdir`` as it is, else one of the run's own.

    Raises:
        Trouble: it is no directory that can be entered.
    """
    if asked is None:
        return os.path.join(directory, "work")
    path = os.path.expanduser(asked)
    if not os.path.isabs(path):
        mend = "submit with the command line, which makes it absolute"
        raise Trouble("rejected", f"workdir {asked!r} is not an absolute path", mend)
    if not os.path.isdir(path):
        said = f"workdir {asked!r} is not a directory on the login node"
        mend = "make it, or name one that exists, on a file system that the cluster's nodes share"
        raise Trouble("rejected", said, mend)
    if not os.access(path, os.X_OK):
        said = f"workdir {asked!r} cannot be entered: permission denied"
        raise Trouble("rejected", said)
    return path


def copies(cache: Cache, parcels: "list[list[str]]", directory: str) -> str:
    """A working directory of a launch's own, with copies of what its job brings.

    Raises:
        Trouble: some of it is not here any more, or cannot be laid out.
    """
    workdir = tempfile.mkdtemp(prefix="work-", dir=directory)
    try:
        for digest, target in parcels:
            cache.lay_out(digest, workdir, target)
    except Missing as error:
        raise Trouble("unavailable", str(error)) from None
    except Broken as error:
        raise Trouble("rejected", str(error)) from None
    return workdir


def links(mounts: "dict[str, str]", workdir: str) -> "list[tuple[str, str]]":
    """``file_mounts`` as symbolic links to make below the working directory.

    Raises:
        Trouble: a source is remote or missing, or a destination is outside or taken.
    """
    found = []
    for destination, source in sorted(mounts.items()):
        target = _target(destination, source, workdir)
        link = os.path.normpath(os.path.join(workdir, destination))
        if not link.startswith(workdir.rstrip("/") + "/"):
            said = f"file_mounts: {destination!r} lies outside the working directory"
            mend = "use a relative destination: mounts are made below the workdir only"
            raise Trouble("rejected", said, mend)
        if os.path.islink(link) and os.readlink(link) == target:
            continue
        if os.path.lexists(link):
            said = f"file_mounts: {destination!r} exists already in {workdir}"
            raise Trouble("rejected", said, "choose another destination, or move it away")
        found.append((link, target))
    return found


def _target(destination: str, source: str, workdir: str) -> str:
    if "://" in source:
        said = "file_mounts: %r comes from %r; a Slurm pool cannot fetch URLs"
        mend = "fetch it in `setup`, or give a path on the cluster"
        raise Trouble("rejected", said % (destination, source), mend)
    target = os.path.normpath(os.path.join(workdir, os.path.expanduser(source)))
    if not os.path.exists(target):
        said = "file_mounts: the source %r of %r does not exist on the login node"
        raise Trouble("rejected", said % (source, destination))
    return target


def output_path(path: "str | None", workdir: str) -> "str | None":
    """A named output file's absolute path.

    Raises:
        Trouble: it cannot be written.
    """
    if path is None:
        return None
    absolute = os.path.join(workdir, os.path.expanduser(path))
    parent = os.path.dirname(absolute)
    if parent != workdir and not (os.path.isdir(parent) and os.access(parent, os.W_OK)):
        said = f"the output file {absolute!r} cannot be written"
        raise Trouble("rejected", said, f"make the directory {parent!r} writable first")
    if os.path.isdir(absolute):
        raise Trouble("rejected", f"the output file {absolute!r} is a directory")
    return absolute


def write_script(directory: str, asked: "dict[str, Any]") -> "list[str]":
    """Lay out what the tasks execute, and return the command that does.

    ``setup`` and ``run`` share one shell. A ``run`` that names its interpreter is executed as is.
    """
    run, script = os.path.join(directory, "run"), str(asked["script"])
    write(run, script)
    if asked["setup"] is not None:
        write(os.path.join(directory, "setup"), str(asked["setup"]))
        write(os.path.join(directory, "both"), str(asked["setup_and_run"]))
        return ["bash", os.path.join(directory, "both")]
    if script.startswith("#!"):
        os.chmod(run, 0o700)
        return [run]
    return ["bash", run]


def lay_out(directory: str, mounts: "list[tuple[str, str]]") -> None:
    """Make the directories and links of a run."""
    for name in ("work", "output"):
        os.makedirs(os.path.join(directory, name), mode=0o700, exist_ok=True)
    for link, target in mounts:
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.lexists(link):
            os.symlink(target, link)


def stream_paths(directory: str, record: "dict[str, Any]") -> "dict[str, str]":
    """Where the tasks write, by stream, with ``@RANK@`` for the rank.

    One task writes the file that its job names; what several write is put together at the end.
    """
    alone = record.get("tasks") == 1
    own = os.path.join(directory, "task-@RANK@.")
    paths = {}
    for stream in ("stdout", "stderr"):
        named = record.get(stream)
        paths[stream] = str(named) if alone and named else own + stream
    if together(record):
        paths["stderr"] = paths["stdout"]
    return paths


def together(record: "dict[str, Any]") -> bool:
    """Whether both streams go to one file, which is then told as standard output."""
    return bool(record.get("stderr")) and record.get("stderr") == record.get("stdout")


def gather(attempts: Attempts, record: "dict[str, Any]") -> None:
    """Write the named output files of a gang that has ended."""
    tasks = int(str(record.get("tasks", 1)))
    for stream in ("stdout",) if together(record) else ("stdout", "stderr"):
        named = record.get(stream)
        if tasks == 1 or not named:
            continue
        with open(str(named), "wb") as target:
            for rank in range(tasks):
                _append(attempts.path(f"task-{rank}.{stream}"), target)


def _append(path: str, target: "Any") -> None:
    import shutil

    try:
        with open(path, "rb") as source:
            shutil.copyfileobj(source, target)
    except FileNotFoundError:
        return


def read(path: str, offset: int, limit: int) -> "tuple[bytes, int, int]":
    """A piece of a file, where the next begins, and the file's size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return b"", max(offset, 0), 0
    try:
        size = os.fstat(descriptor).st_size
        start = max(0, size + offset) if offset < 0 else offset
        data = os.pread(descriptor, max(0, limit), start) if start < size else b""
    finally:
        os.close(descriptor)
    return data, start + len(data), size
