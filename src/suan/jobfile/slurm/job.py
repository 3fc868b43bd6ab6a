"""From a batch script's options to its ``JobSpec``."""

from pathlib import Path

from suan.jobfile.checkpoint import signal_name
from suan.jobfile.fields import Reading
from suan.jobfile.parsed import Parsed
from suan.jobfile.problems import FieldError, Spot
from suan.jobfile.quantities import LARGEST_MIB
from suan.jobfile.slurm.lines import Options, read_options
from suan.jobfile.slurm.shape import shape_of
from suan.model.spec import MAX_NODES, PRIORITY_MAX, PRIORITY_MIN, Checkpoint, JobSpec, RetryPolicy

_LABELS = ("partition", "account", "qos", "constraint", "comment")


def parse_script(text: str, reading: Reading, *, default_name: str) -> Parsed:
    """The job of a batch script.

    Raises:
        JobFileError: with every problem of its ``#SBATCH`` lines.
    """
    if not text.startswith("#!"):
        mend = "write #!/bin/bash as the first line"
        reading.problems.error(Spot(1, 1), "a batch script must start with #!", mend=mend)
    if "\0" in text:
        reading.problems.error(Spot(1, 1), "the script holds a NUL character", mend="give a script")
    options = read_options(text, reading)
    spec = _spec(reading, options, text=text, default_name=default_name)
    reading.problems.raise_errors()
    assert spec is not None
    return Parsed((spec,), reading.problems.warnings())


def _spec(reading: Reading, options: Options, *, text: str, default_name: str) -> JobSpec | None:
    shape = shape_of(options)
    if shape.nodes > MAX_NODES:
        spot = options.given["ntasks"].spot
        reading.problems.error(spot, f"needs {shape.nodes} nodes", mend=f"at most {MAX_NODES}")
        return None
    if max(shape.memory_mib or 0, shape.cpus_per_node) > LARGEST_MIB:
        reading.problems.error(Spot(1, 1), "needs more than any node has", mend="ask for less")
    if (shape.max_nodes or shape.nodes) > 1:
        message = "the script runs on every node, and srun there starts that node's tasks"
        reading.problems.warn(options.spot("nodes"), message)
    folder = _workdir(reading, options)
    try:
        return JobSpec(
            run=text,
            name=options.value("job-name", default_name).strip() or default_name,
            workdir=folder,
            num_nodes=shape.nodes,
            max_nodes=shape.max_nodes,
            resources=(shape.option(),),
            envs={**shape.environment(), **_exports(reading, options), **_submit_dir(reading)},
            labels={key: options.given[key].value for key in _LABELS if key in options.given},
            reservation=options.value("reservation", None),
            priority=_priority(reading, options),
            time_limit=options.value("time", None),
            after=options.value("dependency", ()),
            retry=_retry(options),
            checkpoint=_checkpoint(reading, options),
            array=_array(reading, options),
            origin="sbatch",
            stdout=_path(options.value("output", None), folder),
            stderr=_path(options.value("error", options.value("output", None)), folder),
        )
    except ValueError as error:
        message, _, mend = str(error).partition("; ")
        reading.problems.error(Spot(1, 1), message, mend=mend)
        return None


def _workdir(reading: Reading, options: Options) -> str | None:
    if "chdir" not in options.given:
        return reading.base_dir
    given = options.given["chdir"]
    try:
        path = reading.path(given.value)
    except FieldError as error:
        reading.problems.error(given.spot, error.message, mend=error.mend)
        return None
    if reading.base_dir is not None and not Path(path).is_dir():
        reading.problems.error(given.spot, f"the folder {path} does not exist", mend="make it")
    return path


def _submit_dir(reading: Reading) -> dict[str, str]:
    return {} if reading.base_dir is None else {"SLURM_SUBMIT_DIR": reading.base_dir}


def _exports(reading: Reading, options: Options) -> dict[str, str]:
    """``--export``'s variables; those without a value come from the submitter's environment."""
    found: dict[str, str] = {}
    environ = reading.environ or {}
    for name, value in options.value("export", {}).items():
        if name in ("NONE", "NIL"):
            continue
        if name == "ALL":
            message = "ALL: the submitter's environment is not carried to the job"
            reading.problems.warn(options.spot("export"), message, mend="name the variables")
        elif value is not None or name in environ:
            found[name] = environ[name] if value is None else value
        else:
            message = f"{name} is not set in the environment; left out, as in Slurm"
            reading.problems.warn(options.spot("export"), message)
    return found


def _priority(reading: Reading, options: Options) -> int:
    wanted = int(options.value("priority", 0))
    bounded = max(PRIORITY_MIN, min(PRIORITY_MAX, wanted))
    if bounded != wanted:
        message = f"{wanted} is brought to {bounded}"
        reading.problems.warn(options.spot("priority"), message)
    return bounded


def _retry(options: Options) -> RetryPolicy:
    never = "no-requeue" in options.given
    return RetryPolicy(max_lost=0, max_preempted=0) if never else RetryPolicy()


def _checkpoint(reading: Reading, options: Options) -> Checkpoint | None:
    """``--signal``: the same signal and time, but when the job is preempted."""
    if "signal" not in options.given:
        return None
    given = options.given["signal"]
    letters, written, lead = given.value
    try:
        name = signal_name(written)
    except ValueError:
        reading.problems.warn(given.spot, f"{written} is not sent: no job can save its work on it")
        return None
    where = "to all processes of the job, " if "B" in letters else ""
    message = f"sent {where}when the job is preempted, not before its time limit"
    reading.problems.warn(given.spot, message)
    return Checkpoint(signal=name, grace=lead)


def _array(reading: Reading, options: Options) -> tuple[int, ...]:
    indices, limit = options.value("array", ((), None))
    if limit is not None:
        message = f"the limit %{limit} has no effect: as many members run as there is room for"
        reading.problems.warn(options.spot("array"), message)
    return tuple(indices)


def _path(pattern: str | None, folder: str | None) -> str | None:
    """A pattern, absolute where the folder is known."""
    return str(Path(folder or "", pattern)) if pattern else None
