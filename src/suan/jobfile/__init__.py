"""From what people write to ``JobSpec``: YAML job files, ``#SBATCH`` scripts, plain commands.

Contract: text in, values out. Whatever the text, the only error is ``InputError``; it names file,
line, column and field, says how to mend it, and lists every problem of the file at once. Fields
that are unknown, or known and without effect, give warnings and never stop a file. The same text
gives the same jobs: the environment, the clock and the folder are passed in. The disk is touched
only to see whether a workdir or a mounted file exists, and only when ``base_dir`` is given.

Not for: sending jobs anywhere, giving them ids, or deciding whether any pool could run them.
"""

from suan.jobfile.command import command_spec
from suan.jobfile.document import MAX_JOB_FILE_BYTES
from suan.jobfile.environment import Membership, job_environment, slurm_environment
from suan.jobfile.expand import members, parse_array
from suan.jobfile.parsed import Parsed
from suan.jobfile.parsing import load, parse, parse_sbatch, parse_yaml
from suan.jobfile.patterns import expand_pattern
from suan.jobfile.problems import JobFileError, Problem
from suan.jobfile.schema import schema
from suan.jobfile.script import launch_script

__all__ = [
    "MAX_JOB_FILE_BYTES",
    "JobFileError",
    "Membership",
    "Parsed",
    "Problem",
    "command_spec",
    "expand_pattern",
    "job_environment",
    "launch_script",
    "load",
    "members",
    "parse",
    "parse_array",
    "parse_sbatch",
    "parse_yaml",
    "schema",
    "slurm_environment",
]
