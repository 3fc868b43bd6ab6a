"""Slurm's commands, and what their complaints mean."""

import os
import subprocess

WORDS = "unavailable", "rejected", "unknown", "auth"
_NOT_THERE = (
    "unable to contact slurm controller",
    "connection refused",
    "connection timed out",
    "zero bytes were transmitted",
    "slurm backup controller in standby",
    "unable to establish",
    "invalid authentication credential",
    "protocol authentication error",
    "munge",
    "temporarily unable",
    "resource temporarily unavailable",
    "limit",
)
_PERHAPS = "socket timed out", "transport endpoint", "communications", "connection reset"


class Trouble(Exception):
    """What went wrong: one of ``WORDS``, a sentence, and what to do."""

    def __init__(self, word: str, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.word = word
        self.message = message
        self.mend = mend


class Slurm:
    """One cluster's commands, run with its ``SLURM_CONF`` and a time-out."""

    def __init__(self, conf: "str | None", timeout_s: float) -> None:
        self.env = {name: value for name, value in os.environ.items() if _neutral(name)}
        if conf:
            self.env["SLURM_CONF"] = conf
        self._timeout_s = timeout_s

    def run(self, argv: "list[str]", env: "dict[str, str] | None" = None) -> str:
        """A command's output.

        Raises:
            Trouble: it is missing, failed, or did not answer.
        """
        try:
            process = subprocess.Popen(
                argv,
                env=self.env if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise Trouble(
                "unavailable",
                f"{argv[0]} cannot be run on the login node: {error.strerror}",
                "install Slurm's client commands there, or put them on the PATH of ssh's sessions",
            ) from error
        try:
            out, err = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired as late:
            process.kill()
            process.communicate()
            said = f"{argv[0]} did not answer within {self._timeout_s:g} s"
            raise Trouble(_perhaps(argv[0]), said) from late
        if process.returncode != 0:
            raise complaint(argv[0], err.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace")

    def cancel(self, run: str, job: str, *how: str) -> None:
        """End a run's job, or signal it as ``how`` says. Never by the id alone: a controller that
        was killed gives ids twice, and the job that has this one now may be another run's.

        Raises:
            Trouble: Slurm does not answer.
        """
        self.run(["scancel", "--quiet", "--name=" + run, *how, job])

    def environment(self, extra: "dict[str, str]") -> "dict[str, str]":
        """The environment that a job starts with."""
        env = dict(self.env)
        env.update(extra)
        return env


def complaint(command: str, said: str) -> Trouble:
    """What a failed command's words mean for what was asked."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    message = "; ".join(lines[-2:]) or command + " failed and said nothing"
    low = message.lower()
    if any(word in low for word in _PERHAPS):
        return Trouble(_perhaps(command), message, "see `scontrol ping` on the login node")
    if any(word in low for word in _NOT_THERE):
        return Trouble("unavailable", message, "see `scontrol ping` on the login node")
    return Trouble("rejected", message, _advice(low))


def _perhaps(command: str) -> str:
    """Without an answer a submission may have been made; whatever else is asked may be again."""
    return "unknown" if command == "sbatch" else "unavailable"


def _advice(low: str) -> str:
    if "partition" in low:
        return "`sinfo -s` on the login node lists the partitions; mend `partition` in pools.yaml"
    if "account" in low or "qos" in low:
        return "`sacctmgr show assoc user=$USER` lists what you may use; mend `account` or `qos`"
    if "node configuration" in low:
        return "no node of the partition can ever hold that; ask for less"
    return ""


def _neutral(name: str) -> bool:
    """Not one by which the caller's shell, or a job around us, would steer the commands."""
    return name == "SLURM_CONF" or not name.startswith(
        ("SLURM", "SBATCH_", "SQUEUE_", "SINFO_", "SCANCEL_", "SALLOC_", "SUAN_")
    )
