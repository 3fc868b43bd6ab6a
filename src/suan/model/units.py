"""Units. One name for each, so that a signature tells what a number means."""

from typing import NewType, TypeAlias

JobId = NewType("JobId", str)  # 12 characters of Crockford base 32; array members add "-INDEX"
RunId = NewType("RunId", str)  # "JOB-rATTEMPT": one attempt at a job; a DNS label in lower case
QueueName = NewType("QueueName", str)
TenantName = NewType("TenantName", str)
PoolName = NewType("PoolName", str)
NodeName = NewType("NodeName", str)
SiteName = NewType("SiteName", str)

Instant: TypeAlias = int  # microseconds since 1970-01-01T00:00:00Z
Duration: TypeAlias = int  # microseconds
Money: TypeAlias = int  # millionths of the currency's unit
Thousandths: TypeAlias = int  # of one processor, or of one accelerator

SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR


def run_id(job: JobId, attempt: int) -> RunId:
    """The id of a job's ``attempt``-th run, counted from 1. A function of its inputs alone."""
    return RunId(f"{job}-r{attempt}")


def job_of(run: RunId) -> JobId:
    """The job that a run is an attempt at."""
    return JobId(run.rpartition("-r")[0])
