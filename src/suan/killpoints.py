"""Named points at which a crash test may kill this process.

``SUAN_KILL_AT=NAME`` (or ``NAME:N`` for the N-th passage) makes the process send itself SIGKILL
there. Without the variable a point is one comparison. ``NAMES`` lists every point; passing an
unlisted one is refused, so that the crash tests cannot miss one.
"""

import os
import signal

# name → what has and has not happened when it is passed
NAMES = {
    "submit.before_commit": "a submission is written but not committed",
    "submit.after_commit": "a submission is durable but not acknowledged",
    "cycle.gathered": "news is gathered, nothing is applied",
    "cycle.decided": "a plan is made, nothing is recorded",
    "record.before_commit": "a cycle is written but not committed",
    "record.after_commit": "a cycle is durable, nothing is carried out",
    "deliver.before": "a run is recorded, nothing that it needs was sent",
    "deliver.after": "what a run needs is in its pool, which has not heard of the run",
    "launch.before": "a run is recorded, its pool has not heard of it",
    "launch.after": "a run is launched, the launch is not recorded",
    "local.directory_made": "the local pool has made the run's directory, no runner exists",
    "local.launch_written": "the launch is on disk, no runner exists",
    "local.runner_started": "the runner exists, the server has not taken note",
    "slurm.before_submitting": "the login node has not heard of the run",
    "slurm.submitted": "the run's job is submitted, the server has not taken note",
    "ray.before_submitting": "the run's package is sent, Ray has not heard of the run",
    "ray.submitted": "the run's Ray job is submitted, the server has not taken note",
    "kubernetes.before_making": "the API server has not heard of the run",
    "kubernetes.secret_made": "the run's secret is made, its job is not",
    "kubernetes.job_made": "the run's job is made, the server has not taken note",
    "peer.before_forwarding": "the peer has not heard of the run",
    "peer.forwarded": "the run is a job at the peer's, the server has not taken note",
    "stop.before": "a stop is recorded, the pool has not heard of it",
    "stop.after": "the pool was asked to stop a run",
    "observe.after": "a pool's reports are read, none is recorded",
    "takeover.before_term": "the lease is taken, the new term is not journalled",
    "takeover.after_term": "the new term is journalled, nothing is carried out",
    "command.after_commit": "a command is durable but not acknowledged",
}

_target, _, _count = os.environ.get("SUAN_KILL_AT", "").partition(":")
_left = int(_count or 1)


def passing(name: str) -> None:
    """Pass a point; die here if the environment says so."""
    global _left
    if not _target:
        return
    if name not in NAMES:
        raise KeyError(f"{name!r} is not a listed kill point")
    if name == _target:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
