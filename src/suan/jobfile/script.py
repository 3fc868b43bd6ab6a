"""What a pool is given to run."""

import functools
from pathlib import Path

from suan.model.spec import JobSpec

_SHELLS_WITHOUT_FUNCTIONS = ("sh", "dash")  # they would not find srun, a bash function


def launch_script(spec: JobSpec) -> str:
    """The script of a run: ``spec.run``, with Slurm's surroundings if it is a batch script."""
    return _as_batch_script(spec.run) if spec.origin == "sbatch" else spec.run


def _as_batch_script(script: str) -> str:
    """A bash script that sets what Slurm would and runs ``script``, unchanged, by its interpreter.

    The script is a here-document on descriptor 3, so that its standard input stays free and its
    line numbers are its own.
    """
    interpreter = script.partition("\n")[0].removeprefix("#!").strip() or "/bin/bash"
    program, *options = interpreter.split(maxsplit=1)
    if program.rpartition("/")[2] in _SHELLS_WITHOUT_FUNCTIONS:
        interpreter = " ".join(["/bin/bash", *options])
    end = "END_OF_SCRIPT"
    while end in script:
        end += "_"
    body = script.rstrip("\n")
    return f"{_surroundings()}exec {interpreter} /dev/fd/3 3<<'{end}'\n{body}\n{end}\n"


@functools.cache
def _surroundings() -> str:
    return Path(__file__).with_name("slurm").joinpath("srun.sh").read_text(encoding="utf-8")
