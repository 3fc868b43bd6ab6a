"""``suan logs``: a job's output."""

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

import click

from suan.cli.connect import connect, job_argument, json_option
from suan.cli.output import print_json
from suan.cli.tail import Tail, sinks
from suan.client.calls import LogPart
from suan.client.sync import Client
from suan.model.views import JobDetail


@click.command
@job_argument()
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--task", type=click.IntRange(min=0), default=0, help="The output of this task.")
@click.option("--all-tasks", is_flag=True, help="Of all tasks, each line with its task's number.")
@click.option("--stderr", is_flag=True, help="The standard error instead of the output.")
@click.option("-n", "--tail", type=click.IntRange(min=0), help="Only so many lines of the end.")
@click.option("--attempt", type=click.IntRange(min=1), help="Of this attempt, not the latest.")
@json_option
def logs(job: str, follow: bool, all_tasks: bool, as_json: bool, **asked: Any) -> None:
    """Show the output of JOB, byte for byte; task 0 unless told otherwise.

    With --json: `{"job": …, "stream": …, "tasks": {"0": "text"}}`, undecodable bytes replaced.
    """
    if as_json and follow:
        raise click.UsageError("--json shows what is there; it cannot follow")
    stream = "stderr" if asked["stderr"] else "stdout"
    part = LogPart(attempt=asked["attempt"], tail=asked["tail"], stream=stream)
    with connect() as client:
        tasks = _tasks(client.get(job), asked["attempt"]) if all_tasks else (asked["task"],)
        if as_json:
            print_json(_texts(client, job, tasks, part=part))
            return
        outputs = sinks(tasks, {stream: sys.stdout.buffer}, prefixed=all_tasks)
        if follow and all_tasks:
            again = partial(connect, client.endpoint.url)
            Tail(again, job, part=part, outputs=outputs).join()
            return
        for task, _, sink in outputs:
            part["task"] = task
            sink.write(client.logs(job, follow=follow, **part))


def _tasks(detail: JobDetail, attempt: int | None) -> range:
    """Those of the attempt; of one that is not there yet, as many as it surely has."""
    runs = [run for run in detail.runs if attempt in (None, run.attempt)]
    return range(len(runs[-1].nodes) if runs else detail.job.num_nodes)


def _texts(client: Client, job: str, tasks: Iterable[int], *, part: LogPart) -> dict[str, Any]:
    texts = {}
    for task in tasks:
        part["task"] = task
        texts[str(task)] = b"".join(client.logs(job, **part)).decode("utf-8", "replace")
    return {"job": job, "stream": part["stream"], "tasks": texts}
