"""The way in: text or a file to jobs."""

import re
from collections.abc import Mapping
from pathlib import Path

from suan.jobfile.document import MAX_JOB_FILE_BYTES, decode
from suan.jobfile.fields import Reading
from suan.jobfile.parsed import Parsed
from suan.jobfile.problems import Problems
from suan.jobfile.slurm.job import parse_script
from suan.jobfile.yaml_file import parse_document_stream
from suan.model.errors import InputError
from suan.model.units import Instant

DEFAULT_FILENAME = "job file"


def parse(
    text: str | bytes,
    *,
    filename: str = DEFAULT_FILENAME,
    base_dir: str | None = None,
    environ: Mapping[str, str] | None = None,
    now: Instant | None = None,
) -> Parsed:
    """The jobs of a job file: an ``#SBATCH`` script if its first line starts with ``#!``, or YAML.

    Args:
        text: the file, at most ``MAX_JOB_FILE_BYTES`` of UTF-8.
        filename: what errors call it; a job without a name takes its stem.
        base_dir: an absolute folder that relative paths start from, and where a batch script runs.
            Given only on the submitting machine: paths are then checked to exist.
        environ: where ``envs`` and ``secrets`` without a value are taken from.
        now: what ``deadline: +6h`` counts from.

    Raises:
        InputError: always this, with every problem found (``JobFileError.problems``).
    """
    decoded = decode(text, filename=filename)
    reading = Reading(Problems(filename), environ=environ, base_dir=base_dir, now=now)
    parser = parse_script if decoded.startswith("#!") else parse_document_stream
    return parser(decoded, reading, default_name=_stem(filename))


def parse_yaml(
    text: str | bytes,
    *,
    filename: str = DEFAULT_FILENAME,
    base_dir: str | None = None,
    environ: Mapping[str, str] | None = None,
    now: Instant | None = None,
) -> Parsed:
    """As ``parse``, for what is known to be YAML."""
    reading = Reading(Problems(filename), environ=environ, base_dir=base_dir, now=now)
    decoded = decode(text, filename=filename)
    return parse_document_stream(decoded, reading, default_name=_stem(filename))


def parse_sbatch(
    text: str | bytes,
    *,
    filename: str = DEFAULT_FILENAME,
    base_dir: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Parsed:
    """As ``parse``, for what is known to be a batch script."""
    reading = Reading(Problems(filename), environ=environ, base_dir=base_dir)
    return parse_script(decode(text, filename=filename), reading, default_name=_stem(filename))


def load(
    path: str,
    *,
    submit_dir: str,
    environ: Mapping[str, str] | None = None,
    now: Instant | None = None,
) -> Parsed:
    """The jobs of a file on this machine.

    A YAML file's relative paths start from the file's folder; a batch script runs in
    ``submit_dir``, where it was submitted, as in Slurm.

    Raises:
        InputError: as ``parse``; or the file cannot be read.
    """
    data = _read(path)
    base_dir = submit_dir if data.startswith(b"#!") else str(Path(path).absolute().parent)
    return parse(data, filename=path, base_dir=base_dir, environ=environ, now=now)


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_JOB_FILE_BYTES + 1)  # one more shows that it is too large
    except OSError as error:
        message = f"cannot read the job file: {error.strerror or error}"
        raise InputError(message, where=path, mend="check the path") from None


def _stem(filename: str) -> str:
    """A job's name from its file's; ``job`` where there is no file."""
    if filename == DEFAULT_FILENAME:
        return "job"
    stem = Path(filename).name.partition(".")[0]
    return re.sub(r"[^\w.-]+", "-", stem).strip("-")[:64] or "job"
