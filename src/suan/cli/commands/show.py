"""``suan show``: one job, whole."""

from datetime import UTC, datetime
from typing import Any

import click

from suan.cli import format as form
from suan.cli.connect import connect, job_argument, json_option
from suan.cli.grid import fields, plain_lines
from suan.cli.output import heading, print_json, say, state
from suan.model.units import SECOND
from suan.model.views import JobDetail, RunView

# Shown above, or not worth a line where they hold their default.
_SAID = {
    "name",
    "queue",
    "priority",
    "num_nodes",
    "max_nodes",
    "resources",
    "run",
    "setup",
    "tenant",
    "origin",
}


@click.command
@job_argument()
@json_option
def show(job: str, as_json: bool) -> None:
    """Show JOB: what was asked for, its runs with where and why, and its bill."""
    with connect() as client:
        detail = client.get(job)
    if as_json:
        print_json(detail)
    else:
        say(described(detail))


def described(detail: JobDetail) -> str:
    """A job as people read it."""
    parts = [fields(_head(detail)), heading("What was asked for"), _asked(detail.spec)]
    if detail.runs:
        parts += [heading("Runs"), "\n".join(_run(run) for run in detail.runs)]
    parts += [heading("Bill"), _bill(detail)]
    return "\n".join(parts)


def _head(detail: JobDetail) -> list[tuple[str, str]]:
    job = detail.job
    nodes = f"{form.size(job)} nodes of " if form.most(job) > 1 else ""
    return [
        ("id", job.id),
        ("name", job.name),
        ("state", state(job.state) + (f": {job.detail}" if job.detail else "")),
        ("exit code", "" if job.exit_code is None else str(job.exit_code)),
        ("user", f"{job.user} (tenant {job.tenant})"),
        ("queue", f"{job.queue}, priority {job.priority}"),
        ("needs", nodes + job.resources),
        ("array", f"{job.array_id} [{job.array_index}]" if job.array_id else ""),
        ("params", ", ".join(f"{k}={v}" for k, v in job.params.items())),
        ("after", ", ".join(f"{other} {condition}" for other, condition in detail.after)),
        ("submitted", form.moment(job.submitted_at)),
        ("started", form.moment(job.started_at)),
        ("ended", form.moment(job.ended_at)),
    ]


def _asked(spec: dict[str, Any]) -> str:
    small = [(k, _plain(v, k)) for k, v in spec.items() if v not in _NOTHING and k not in _SAID]
    scripts = [(k, str(spec[k])) for k in ("setup", "run") if spec.get(k)]
    texts = [f"{name}: |\n{_indent(plain_lines(script))}" for name, script in scripts]
    return "\n".join([*([_indent(fields(small))] if small else []), *map(_indent, texts)])


# In microseconds.
_DURATIONS = {"time_limit", "expected", "flexible", "backoff", "grace", "interval"}
_NOTHING: tuple[Any, ...] = (None, "", (), [], {}, False)


def _plain(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={_plain(v, k)}" for k, v in value.items() if v not in _NOTHING)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, int) and name in _DURATIONS:
        return form.seconds(value / SECOND)
    if isinstance(value, int) and name == "deadline":
        return form.moment(datetime.fromtimestamp(value / SECOND, UTC))
    return str(value)


def _run(run: RunView) -> str:
    ended = f", {run.cause}" if run.cause else ""
    code = f", exit {run.exit_code}" if run.exit_code is not None else ""
    where = ", ".join(dict.fromkeys(run.nodes))
    if len(run.nodes) > 1:
        where += f" ({len(run.nodes)} tasks)"
    about = [f"{run.id}  {run.state}{ended}{code}", f"  where  {run.pool}: {where}"]
    if run.started_at:
        until = f" – {form.moment(run.ended_at)}" if run.ended_at else ""
        about.append(f"  when   {form.moment(run.started_at)}{until}")
    about += [f"  why    {reason}" for reason in run.reasons]
    if run.stopping:
        about.append(f"  ends   {plain_lines(run.stopping)}")
    if run.detail:
        about.append(f"  said   {plain_lines(run.detail)}")
    if run.bill:
        about.append(f"  bill   {form.bill(run.bill)}")
    return _indent("\n".join(about))


def _bill(detail: JobDetail) -> str:
    notes = [f"note: {text}" for text in detail.bill.notes]
    return _indent("\n".join([form.bill(detail.bill), *notes]))


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))
