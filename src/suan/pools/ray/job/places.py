"""Where a run's files are on a node, its working directory, its mounts and its script."""

# A program that travels stays plain and quick to start.
# ruff: noqa: PTH103, PTH113, PTH123, PTH105, PTH110, PTH111, PTH112, PTH114, PTH115, PTH116, PTH118, PTH120, PTH208, PTH211

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from typing import Any

from suan.content.outputs import Left

CONTENT = "content"  # beside the runs' own folders: what jobs have brought to this node


class Unusable(Exception):
    """A working directory, a mount or an output file that cannot be used; says why."""


def log_directory() -> str:
    """Where Ray keeps this node's logs: beside the file that it gave us as standard output."""
    return os.path.dirname(os.readlink("/proc/self/fd/1"))


class Places:
    """One run's places on this node, below Ray's own session directory."""

    def __init__(self, logs: str, submission: str, rank: int) -> None:
        self.logs = os.path.join(logs, "suan", submission)
        self.run = os.path.join(os.path.dirname(logs), "suan", submission)
        self.work = os.path.join(self.run, f"work-{rank}")
        self.output = os.path.join(self.run, "output")

    def make(self, keep_s: float) -> None:
        """Make them, and remove those of runs of long ago."""
        for path in (self.logs, self.work, self.output):
            os.makedirs(path, mode=0o700, exist_ok=True)
        long_ago = time.time() - keep_s
        for parent in (os.path.dirname(self.logs), os.path.dirname(self.run)):
            for name in os.listdir(parent):
                path = os.path.join(parent, name)
                if name != CONTENT and os.stat(path).st_mtime < long_ago:
                    shutil.rmtree(path, ignore_errors=True)

    def working_directory(self, asked: str | None) -> str:
        """Where the task runs.

        Raises:
            Unusable: it cannot be entered.
        """
        path = os.path.expanduser(asked) if asked else self.work
        if not os.path.isdir(path):
            raise Unusable(f"workdir {asked!r} is not a directory on {os.uname().nodename}")
        if not os.access(path, os.X_OK):
            raise Unusable(f"workdir {asked!r} cannot be entered: permission denied")
        return path

    def command(self, spec: dict[str, Any]) -> list[str]:
        """Lay out what the task executes, and return the command that does.

        ``setup`` and ``run`` share one shell. A ``run`` that names its interpreter is executed.
        """
        script = spec["script"]
        run = self._write("run", script)
        if spec["setup"] is not None:
            self._write("setup", spec["setup"])
            return ["bash", self._write("both", spec["setup_and_run"])]
        return [run] if script.startswith("#!") else ["bash", run]

    def _write(self, name: str, text: str) -> str:
        path = os.path.join(self.run, name)
        draft = f"{path}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
        return path


def leave(place: Places, rank: int, *, workdir: str, named: Sequence[str]) -> None:
    """List what the task has left, where Ray's log service finds both the list and the files."""
    found = []
    for path, size, digest, executable in Left(place.output, workdir, named).files():
        folder = "output" if os.path.isfile(os.path.join(place.output, path)) else "work"
        told = {"path": path, "size": size, "digest": digest, "executable": executable}
        found.append({**told, "at": f"{folder}.{rank}/{path}"})
    for name, target in (("output", place.output), ("work", workdir)):
        os.symlink(target, os.path.join(place.logs, f"{name}.{rank}"))
    with open(os.path.join(place.logs, f"outputs.{rank}.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)


def mount(mounts: dict[str, str], workdir: str) -> None:
    """``file_mounts`` as symbolic links below the working directory.

    Raises:
        Unusable: a source is missing, or a destination is taken.
    """
    for destination, source in sorted(mounts.items()):
        target = os.path.normpath(os.path.join(workdir, os.path.expanduser(source)))
        if not os.path.exists(target):
            raise Unusable(f"file_mounts: the source {source!r} of {destination!r} does not exist")
        link = os.path.normpath(os.path.join(workdir, destination))
        os.makedirs(os.path.dirname(link), exist_ok=True)
        try:
            os.symlink(target, link)
        except FileExistsError:
            if not os.path.islink(link) or os.readlink(link) != target:
                said = f"file_mounts: {destination!r} exists already in {workdir}"
                raise Unusable(said) from None


def output_paths(spec: dict[str, Any], workdir: str) -> dict[str, str | None]:
    """The files that the job names for its streams; standard error's is empty if both are one.

    Raises:
        Unusable: one cannot be written.
    """
    named = {stream: spec[stream] for stream in ("stdout", "stderr")}
    if named["stderr"] == named["stdout"]:
        named["stderr"] = None
    paths: dict[str, str | None] = {}
    for stream, path in named.items():
        paths[stream] = os.path.join(workdir, os.path.expanduser(path)) if path else None
        if path and not os.access(os.path.dirname(str(paths[stream])), os.W_OK):
            raise Unusable(f"the output file {paths[stream]!r} cannot be written")
    return paths
