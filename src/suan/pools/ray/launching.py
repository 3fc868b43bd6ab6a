"""One launch as Ray takes it: a package, a letter with its secrets, and a job."""

import json
import posixpath
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suan.content import manifest
from suan.model.errors import PoolRejected
from suan.model.pool import Launch
from suan.pools.ray import parcel, translation
from suan.pools.ray.attempts import marked
from suan.pools.ray.translation import Node
from suan.pools.script import SETUP_AND_RUN

# Ray kills a stopped job's own process after so long. Ours keeps the graces itself, and needs it
# alive meanwhile; when that process dies, so do the tasks.
_STOP_WAIT_S = str(10 * 24 * 3600)


@dataclass(frozen=True, slots=True)
class Jobs:
    """What an operator says of every job."""

    python: str
    least_memory: int  # MiB, of a task that states none
    grace_s: float
    patience_s: float
    keep_s: float
    runtime_env: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is sent for a run, whichever attempt it is."""

    launch: Mapping[str, Any]
    bundles: Sequence[Mapping[str, float]]
    secrets: Mapping[str, str]
    secret_letter: str
    mark: Mapping[str, Any]
    jobs: Jobs

    def package(self, submission: str) -> tuple[str, bytes]:
        """The name and the content of the run's package."""
        launch = {**self.launch, "submission": submission, "orders": orders(submission)}
        return f"{_parcel(submission)}.zip", parcel.package(_parcel(submission), launch)

    def letter(self) -> tuple[str, bytes]:
        """The name and the content of the letter that holds the secrets."""
        return self.secret_letter, json.dumps(dict(self.secrets)).encode()

    def body(self, submission: str, mark: Mapping[str, Any]) -> dict[str, Any]:
        """The job, as its submission asks for it.

        A single task's needs are the job's own. A gang's job needs a place beside its first task;
        it gets the others by a placement group.
        """
        taken = dict(self.bundles[0])
        if len(self.bundles) > 1:
            taken = {name: amount for name, amount in taken.items() if name.startswith("node:")}
        environment = dict(self.jobs.runtime_env)
        variables = {
            **environment.pop("env_vars", {}),
            "RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_WAIT_S),
        }
        modules = [*environment.pop("py_modules", ()), f"gcs://{_parcel(submission)}.zip"]
        return {
            "submission_id": submission,
            "entrypoint": parcel.entry_point(self.jobs.python, _parcel(submission)),
            "metadata": marked(mark),
            "runtime_env": {**environment, "env_vars": variables, "py_modules": modules},
            **translation.submission(taken),
        }


def orders(submission: str) -> str:
    """The name of the letter that tells a job to end."""
    return f"suan-orders-{submission}"


def _parcel(submission: str) -> str:
    return f"suan-run-{submission.replace('.', '-')}"


def parts(launch: Launch, nodes: Sequence[Node], jobs: Jobs, *, sizes: Mapping[str, int]) -> Parts:
    """What is to be sent. ``sizes`` has that of each parcel's manifest.

    Raises:
        PoolRejected: something of it can never be.
    """
    taken = translation.bundle(launch, nodes, least_memory=jobs.least_memory)
    bundles = [translation.pinned(taken, node) for node in nodes]
    given = translation.environment(launch)
    letter = secrets.token_hex(16) if launch.secrets else ""
    together = launch.stdout is not None and launch.stdout == launch.stderr
    told: dict[str, Any] = {
        "nodes": list(launch.nodes),
        "bundles": bundles,
        "env": {name: value for name, value in given.items() if name not in launch.secrets},
        "secrets": letter and f"suan-secrets-{letter}",
        "visible": translation.visible(launch),
        "script": launch.script,
        "setup": launch.setup,
        "setup_and_run": SETUP_AND_RUN,
        "workdir": _workdir(launch),
        "parcels": [[each.digest, each.target, sizes[each.digest]] for each in launch.parcels],
        "outputs": list(launch.outputs),
        "mounts": _mounts(launch.file_mounts),
        "stdout": launch.stdout,
        "stderr": launch.stderr,
        "memory_limit_mib": launch.memory_limit_mib,
        "time_limit_s": None if launch.time_limit is None else launch.time_limit / 1e6,
        "grace_s": jobs.grace_s,
        "patience_s": jobs.patience_s,
        "keep_s": jobs.keep_s,
    }
    return Parts(
        launch=told,
        bundles=bundles,
        secrets={name: given[name] for name in launch.secrets},
        secret_letter=told["secrets"],
        mark={"nodes": list(launch.nodes), "take": taken, "together": together},
        jobs=jobs,
    )


def _workdir(launch: Launch) -> str | None:
    asked = launch.workdir
    if asked is not None and launch.parcels:
        raise PoolRejected(
            "a job that runs in a folder of the cluster cannot bring mounts of its own",
            mend="submit it with --copy: its workdir is copied, too",
        )
    for each in launch.parcels:
        if each.target and not manifest.is_plain(each.target):
            raise PoolRejected(f"{each.target!r} is no path below the working directory")
    if asked is not None and not asked.startswith(("/", "~")):
        raise PoolRejected(
            f"workdir {asked!r} is not an absolute path",
            mend="submit with the command line, which makes it absolute",
        )
    return asked


def _mounts(mounts: Mapping[str, str]) -> dict[str, str]:
    """``file_mounts``, checked as far as that can be done away from the nodes."""
    for destination, source in mounts.items():
        if "://" in source:
            raise PoolRejected(
                f"file_mounts: {destination!r} comes from {source!r}; a Ray pool cannot fetch URLs",
                mend="fetch it in `setup`, or give a path on the cluster's nodes",
            )
        if posixpath.normpath(posixpath.join("/w", destination))[:3] != "/w/":
            raise PoolRejected(
                f"file_mounts: {destination!r} lies outside the working directory",
                mend="use a relative destination: mounts are made below the workdir only",
            )
    return dict(mounts)
