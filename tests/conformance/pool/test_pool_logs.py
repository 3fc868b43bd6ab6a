"""Logs: to the last line, of any bytes, of any size."""

import os

import pytest

from suan.model.errors import PoolError
from suan.model.job import Cause
from suan.model.pool import Logs
from tests.conformance.pool.trial import Kind, Trial


async def test_both_streams_to_the_last_line(trial: Trial) -> None:
    script = "seq 20000; echo oops >&2; printf 'no newline'; exit 1"
    await trial.launch("log-r1", script)
    await trial.end("log-r1")
    stdout = await trial.output("log-r1")
    assert stdout.splitlines()[-2:] == [b"20000", b"no newline"]
    assert len(stdout.splitlines()) == 20_001
    assert await trial.output("log-r1", stream="stderr") == b"oops\n"


async def test_every_byte_comes_back(trial: Trial) -> None:
    every = """"$SUAN_PYTHON" -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 64)'"""
    await trial.launch("bin-r1", every)
    await trial.end("bin-r1")
    assert await trial.output("bin-r1") == bytes(range(256)) * 64


async def test_offsets_and_the_end(trial: Trial) -> None:
    fifo = trial.directory / "fifo"
    os.mkfifo(fifo)
    await trial.launch("off-r1", f"echo 0123456789; cat {fifo}")
    await trial.output_holds("off-r1", b"9\n")
    assert isinstance(trial.pool, Logs)
    chunk = await trial.pool.read_log("off-r1", task=0, stream="stdout", offset=3, limit=4)
    assert (chunk.data, chunk.next_offset, chunk.end) == (b"3456", 7, False)
    chunk = await trial.pool.read_log("off-r1", task=0, stream="stdout", offset=11, limit=4)
    assert (chunk.data, chunk.next_offset, chunk.end) == (b"", 11, False)
    fifo.write_text("")
    await trial.end("off-r1")
    chunk = await trial.pool.read_log("off-r1", task=0, stream="stdout", offset=-4, limit=2)
    assert (chunk.data, chunk.next_offset, chunk.end) == (b"78", 9, False)
    chunk = await trial.pool.read_log("off-r1", task=0, stream="stdout", offset=-99, limit=99)
    assert (chunk.data, chunk.end) == (b"0123456789\n", True)
    chunk = await trial.pool.read_log("off-r1", task=0, stream="stdout", offset=99, limit=9)
    assert (chunk.data, chunk.end) == (b"", True)


async def test_a_gigabyte_is_read_from_its_end_at_once(kind: Kind, trial: Trial) -> None:
    """Sparse, so that it costs no disk: the offset is what matters."""
    if kind.pipes:
        pytest.skip("a pipe cannot be sparse")
    await trial.launch("big-r1", "truncate -s 1G /proc/self/fd/1; echo the end")
    assert (await trial.end("big-r1")).cause is Cause.SUCCEEDED
    assert isinstance(trial.pool, Logs)
    chunk = await trial.pool.read_log("big-r1", task=0, stream="stdout", offset=-8, limit=100)
    assert chunk.data == b"the end\n"
    assert chunk.next_offset == (1 << 30) + 8
    assert chunk.end


async def test_named_output_files_are_written_and_read(trial: Trial) -> None:
    paths = {"stdout": str(trial.directory / "o.txt"), "stderr": str(trial.directory / "e.txt")}
    await trial.launch("named-r1", "echo out; echo err >&2", **paths)
    await trial.end("named-r1")
    assert (trial.directory / "o.txt").read_text() == "out\n"
    assert await trial.output("named-r1") == b"out\n"
    assert await trial.output("named-r1", stream="stderr") == b"err\n"


async def test_one_file_for_both_streams_is_told_once(trial: Trial) -> None:
    path = str(trial.directory / "both.txt")
    await trial.launch("both-r1", "echo out; echo err >&2", stdout=path, stderr=path)
    await trial.end("both-r1")
    assert await trial.output("both-r1") == b"out\nerr\n"
    assert await trial.output("both-r1", stream="stderr") == b""


async def test_no_such_log_is_an_error(trial: Trial) -> None:
    assert isinstance(trial.pool, Logs)
    with pytest.raises(PoolError, match="no logs"):
        await trial.pool.read_log("never-r1", task=0, stream="stdout", offset=0, limit=1)
    await trial.launch("one-r1", "true")
    with pytest.raises(PoolError, match="task 1"):
        await trial.pool.read_log("one-r1", task=1, stream="stdout", offset=0, limit=1)
    with pytest.raises(PoolError, match="stdin"):
        await trial.pool.read_log("one-r1", task=0, stream="stdin", offset=0, limit=1)
    await trial.end("one-r1")
