"""Peers alone: what only another owner, and the line to him, can do to a run."""

import json
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from suan.model.errors import (
    PoolAuthError,
    PoolError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)
from suan.model.job import Cause
from suan.model.units import RunId
from suan.peering import signing
from suan.pools.peer import line
from tests.conformance.pool.killing import dies_at, runs_once
from tests.conformance.pool.trial import PeerKind, Trial
from tests.peers import Owner, owner
from tests.proxy import Proxy, proxy
from tests.waiting import until_async

LAUNCH_AND_DIE = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.conformance.pool.trial import PeerKind
async def main():
    kind = PeerKind(Path(sys.argv[2]))
    kind.url, kind.credentials = sys.argv[3], json.loads(sys.argv[4])
    async with kind.trial() as trial:
        await trial.launch("kill-r1", "echo x >> " + sys.argv[2] + "/count")
asyncio.run(main())
"""


@pytest.fixture
def kind(tmp_path: Path, peer_platform: Owner) -> PeerKind:
    return PeerKind(tmp_path, peer_platform)


@pytest.fixture
async def cut(kind: PeerKind) -> AsyncIterator[Proxy]:
    """The line to the owner, for a test to break."""
    async with proxy(kind.given.url) as made:
        kind.url = made.url
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PeerKind]:
    """An owner of the test's own, so that his server may be broken."""
    with owner(tmp_path / "owner") as found:
        yield PeerKind(tmp_path, found)


def peer_of(kind: PeerKind) -> str:
    assert kind.credentials is not None
    return kind.credentials[0]


def jobs_of(kind: PeerKind) -> list[dict[str, Any]]:
    """The jobs that came of a peer's runs, as the owner sees them."""
    found = kind.given.ask("GET", "/v1/jobs", params={"user": f"peer.{peer_of(kind)}"})
    jobs: list[dict[str, Any]] = found["jobs"]
    return jobs


# The line ----------------------------------------------------------------------------------------


async def test_the_answer_to_a_launch_is_lost(kind: PeerKind, cut: Proxy) -> None:
    count = kind.directory / "count"
    async with kind.trial() as trial:
        cut.mode = "lose_answer"
        with pytest.raises(PoolOutcomeUnknown):
            await trial.launch("lost-r1", f"echo x >> {count}")
        cut.mode = "pass"
        assert await trial.pool.find(RunId("lost-r1")) == "lost-r1"
        await trial.launch("lost-r1", f"echo x >> {count}")
        assert (await trial.end("lost-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "x\n"
    assert len(jobs_of(kind)) == 1


async def test_a_launch_that_hung_in_the_line_comes_too_late(kind: PeerKind, cut: Proxy) -> None:
    count = kind.directory / "count"
    async with kind.trial() as trial:
        cut.mode = "hold"
        with pytest.raises(PoolOutcomeUnknown):
            await trial.launch("late-r1", f"echo x >> {count}")
        cut.mode = "pass"
        assert await trial.pool.find(RunId("late-r1")) is None
        [said] = await cut.deliver()
        assert b" 409 " in said
        assert jobs_of(kind) == []
        await trial.launch("late-r1", f"echo y >> {count}")
        assert (await trial.end("late-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "y\n"


async def test_a_request_that_is_played_again_is_refused(kind: PeerKind, cut: Proxy) -> None:
    count = kind.directory / "count"
    async with kind.trial() as trial:
        cut.mode = "hold"
        with pytest.raises(PoolOutcomeUnknown):
            await trial.launch("play-r1", f"echo x >> {count}")
        cut.mode, recorded = "pass", list(cut.held)
        assert b" 200 " in (await cut.deliver())[0]
        assert (await trial.end("play-r1")).cause is Cause.SUCCEEDED
        cut.held = recorded
        assert b" 401 " in (await cut.deliver())[0]
    assert count.read_text() == "x\n"


async def test_runs_go_on_while_the_line_is_cut(kind: PeerKind, cut: Proxy) -> None:
    fifo = kind.directory / "fifo"
    os.mkfifo(fifo)
    async with kind.trial() as trial:
        await trial.launch("cut-r1", f"echo before; cat {fifo}")
        await trial.output_holds("cut-r1", b"before")
        cut.mode = "cut"
        cut.break_lines()
        with pytest.raises(PoolUnavailable):
            await trial.observe()
        with pytest.raises(PoolUnavailable):
            await trial.pool.find(RunId("cut-r1"))
        with pytest.raises(PoolError):
            await trial.pool.cancel("cut-r1", 0)
        fifo.write_text("after\n")
        cut.mode = "pass"
        assert (await trial.end("cut-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("cut-r1") == b"before\nafter\n"


def certificates(folder: Path, *, days: int = 30, name: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """An authority of our own, and a certificate with its key that it signed for ``name``."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca, own = folder / "ca.pem", folder / "own.pem"
    openssl("req", "-x509", *key, "-subj", "/CN=authority", "-keyout", folder / "ca.key",
            "-out", ca, "-days", 30)  # fmt: skip
    openssl("req", *key, "-subj", "/CN=owner", "-keyout", folder / "own.key",
            "-out", folder / "own.csr")  # fmt: skip
    (folder / "names").write_text(f"subjectAltName={name}\n")
    openssl("x509", "-req", "-in", folder / "own.csr", "-CA", ca, "-CAkey", folder / "ca.key",
            "-out", own, "-days", days, "-extfile", folder / "names")  # fmt: skip
    own.write_text(own.read_text() + (folder / "own.key").read_text())
    return ca, own


def openssl(*arguments: object) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def serves_with(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_by_https_with_an_authority_of_his_own(kind: PeerKind) -> None:
    ca, own = certificates(kind.directory)
    async with proxy(kind.given.url, serves_with(own)) as safe:
        kind.url, kind.more = safe.url, (f"ca: {ca}",)
        assert safe.url.startswith("https://")
        async with kind.trial() as trial:
            await trial.launch("tls-r1", "echo hello; exit 3")
            assert (await trial.end("tls-r1")).exit_code == 3
            assert await trial.output("tls-r1") == b"hello\n"
            safe.mode = "cut"  # and the line, too, breaks and is mended
            safe.break_lines()
            with pytest.raises(PoolUnavailable):
                await trial.pool.find(RunId("tls-r1"))
            safe.mode = "pass"
            assert await trial.pool.find(RunId("tls-r1")) == "tls-r1"


@pytest.mark.parametrize("wrong", ["unknown", "another name", "expired"])
async def test_a_certificate_that_proves_nothing(kind: PeerKind, wrong: str) -> None:
    how = {"another name": {"name": "DNS:elsewhere.example.org"}, "expired": {"days": 0}}
    ca, own = certificates(kind.directory, **how.get(wrong, {}))
    async with proxy(kind.given.url, serves_with(own)) as safe:
        kind.url, kind.more = safe.url, () if wrong == "unknown" else (f"ca: {ca}",)
        pool = kind.open()
        try:
            with pytest.raises(PoolAuthError, match=r"(?i)certificate") as refused:
                await pool.observe(None)
        finally:
            await pool.close()
    assert "`ca` in pools.yaml" in refused.value.mend


async def test_nobody_listens(kind: PeerKind) -> None:
    kind.given.new_peer()
    kind.url = "http://127.0.0.1:1"
    pool = kind.open()
    with pytest.raises(PoolUnavailable, match="cannot be reached"):
        await pool.observe(None)
    await pool.close()


async def test_the_owners_server_dies_and_comes_back(own: PeerKind) -> None:
    fifo = own.directory / "fifo"
    os.mkfifo(fifo)
    async with proxy(own.given.url) as made:
        own.url = made.url
        async with own.trial() as trial:
            await trial.launch("dies-r1", f"echo ready; cat {fifo}; exit 3")
            await trial.output_holds("dies-r1", b"ready")
            own.given.running.kill()
            with pytest.raises(PoolUnavailable):
                await trial.observe()
            with pytest.raises(PoolError):
                await trial.launch("dies-r2", "true")
            fifo.write_text("went on\n")
            with owner(own.directory / "owner") as again:
                made.upstream = again.url
                await until_async(lambda: answers(trial), 60, what="a leader there")
                assert (await trial.end("dies-r1")).exit_code == 3
                assert await trial.output("dies-r1") == b"ready\nwent on\n"
                if await trial.pool.find(RunId("dies-r2")) is None:
                    await trial.launch("dies-r2", "true")
                assert (await trial.end("dies-r2")).cause is Cause.SUCCEEDED


async def answers(trial: Trial) -> bool:
    try:
        await trial.observe()
    except PoolUnavailable:
        return False
    return True


@pytest.mark.parametrize("point", ["before_forwarding", "forwarded"])
async def test_server_killed_while_it_forwards(kind: PeerKind, point: str) -> None:
    kind.credentials = kind.given.new_peer()
    arguments = (str(kind.directory), kind.given.url, json.dumps(kind.credentials))
    await dies_at(f"peer.{point}", LAUNCH_AND_DIE, *arguments)
    await runs_once(kind, found=point != "before_forwarding")


# The owner's word --------------------------------------------------------------------------------


async def test_what_the_owner_cancels_is_preempted(kind: PeerKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("own-r1", "echo ready; sleep 600")
        await trial.output_holds("own-r1", b"ready")
        [job] = jobs_of(kind)
        kind.given.ask("POST", f"/v1/jobs/{job['id']}/cancel")
        outcome = await trial.end("own-r1")
        assert outcome.cause is Cause.PREEMPTED


async def test_a_revoked_offer_sends_back_what_waits_and_lets_the_rest_end(kind: PeerKind) -> None:
    kind.credentials = kind.given.new_peer(ceiling={"cpu_milli": 100})
    fifo = kind.directory / "fifo"
    os.mkfifo(fifo)
    address = f"/v1/peers/{peer_of(kind)}/offers/lab"
    async with kind.trial() as trial:
        await trial.launch("rev-r1", f"echo ready; cat {fifo}; exit 4")
        await trial.output_holds("rev-r1", b"ready")
        await trial.launch("rev-r2", "echo never")
        late = trial.a_launch("rev-r3", "true")
        assert kind.given.ask("DELETE", address) == {"ended": ["rev-r2"]}
        assert (await trial.end("rev-r2")).cause is Cause.UNLAUNCHED
        assert (await trial.pool.observe(None)).nodes == ()
        assert trial.pool.offer.withheld == "its owner took the offer back"
        with pytest.raises(PoolUnavailable, match="nothing of a pool"):
            await trial.pool.launch(late)
        fifo.write_text("")
        assert (await trial.end("rev-r1")).exit_code == 4


async def test_revoked_now_what_runs_is_preempted(kind: PeerKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("now-r1", "echo ready; sleep 600")
        await trial.output_holds("now-r1", b"ready")
        kind.given.ask("DELETE", f"/v1/peers/{peer_of(kind)}/offers/lab", params={"now": "true"})
        outcome = await trial.end("now-r1")
        assert (outcome.cause, outcome.detail) == (
            Cause.PREEMPTED, "its owner took the offer back",
        )  # fmt: skip


async def test_what_is_kept_waiting_is_taken_back_and_says_why(kind: PeerKind) -> None:
    kind.credentials = kind.given.new_peer(ceiling={"cpu_milli": 100})
    kind.more = ("patience_s: 0.5",)
    async with kind.trial() as trial:
        ref = await trial.launch("wait-r1", "echo ready; sleep 600")
        await trial.output_holds("wait-r1", b"ready")
        await trial.launch("wait-r2", "echo never")
        await until_async(lambda: over(trial, "wait-r2"), 60, what="its taking back")
        outcome = trial.reports["wait-r2"].outcome
        assert outcome is not None
        assert outcome.cause is Cause.UNLAUNCHED
        assert outcome.detail.startswith("its owner kept it waiting for 0.5 s: ")
        assert "peers/" in outcome.detail
        assert trial.reports["wait-r1"].outcome is None
        await trial.pool.cancel(ref, 0)
        assert (await trial.end("wait-r1")).cause is Cause.CANCELLED


async def over(trial: Trial, run: str) -> bool:
    await trial.observe()
    return run in trial.ends


async def test_an_offer_outside_its_hours_takes_nothing(kind: PeerKind) -> None:
    kind.credentials = kind.given.new_peer(end=1)
    async with kind.trial() as trial:
        nodes = (await trial.pool.observe(None)).nodes
        assert nodes
        assert not any(node.schedulable for node in nodes)
        with pytest.raises(PoolUnavailable, match="the offer is over"):
            await trial.launch("shut-r1", "true")


async def test_the_bill_is_the_owners(kind: PeerKind) -> None:
    prices = {"currency": "EUR", "cpu_hour": 3_600_000_000}
    kind.credentials = kind.given.new_peer(prices=prices)
    async with kind.trial() as trial:
        await trial.launch("bill-r1", "sleep 0.2")
        await trial.end("bill-r1")
        report = trial.reports["bill-r1"]
        assert report.bill is not None
        assert report.started_at is not None
        assert report.ended_at is not None
        assert report.bill.currency == "EUR"  # 0.1 of a processor, a unit a second
        assert report.bill.money == pytest.approx((report.ended_at - report.started_at) / 10, abs=1)
        assert trial.pool.offer.terms.currency == "EUR"


async def test_no_host_of_the_owners_is_named(kind: PeerKind) -> None:
    async with kind.trial() as trial:
        assert trial.nodes == [f"8xh100-64c-512g-{n}" for n in (1, 2, 3)]
        assert trial.pool.offer.terms.site == "theirs"  # "here" is another place there


# The way -----------------------------------------------------------------------------------------


async def test_a_job_that_would_go_in_a_circle_or_too_far(kind: PeerKind) -> None:
    async with kind.trial() as trial:
        [said, *_] = await trial.pool.check()  # type: ignore[attr-defined]
        platform = said.rpartition(" ")[2]
        with pytest.raises(PoolRejected, match="round in a circle"):
            await trial.launch("way-r1", "true", path=("a", platform, "b"))
        with pytest.raises(PoolRejected, match="4 platforms, and 3 is the most"):
            await trial.launch("way-r2", "true", path=tuple("abcd"))
        await trial.launch("way-r3", "true", path=tuple("abc"))
        assert (await trial.end("way-r3")).cause is Cause.SUCCEEDED


# Who asks, and how -------------------------------------------------------------------------------


async def test_an_older_suan_is_told_as_one(kind: PeerKind) -> None:
    """What a suan without peers answers is what this one answers at an address it does not have."""
    kind.url = f"{kind.given.url}/v0"
    pool = kind.open()
    with pytest.raises(PoolUnavailable, match="knows no peers: it is an older suan") as raised:
        await pool.observe(None)
    assert "upgrade suan there" in raised.value.mend
    await pool.close()


async def test_a_newer_suan_is_told_who_must_upgrade(
    kind: PeerKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "VERSION", 2)
    pool = kind.open()
    with pytest.raises(PoolUnavailable, match="upgrade suan where it answers"):
        await pool.observe(None)
    await pool.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("secret", "does not fit"), ("token", "no peer here"), ("clock", "s from the clock")],
)
async def test_who_is_not_known_is_told_what_to_mend(
    kind: PeerKind, monkeypatch: pytest.MonkeyPatch, wrong: str, said: str
) -> None:
    name, token, secret = kind.given.new_peer()
    if wrong == "clock":
        monkeypatch.setattr(line.time, "time", lambda: 0.0)
    kind.credentials = (
        name,
        "t000000000000" if wrong == "token" else token,
        f"{secret}x" if wrong == "secret" else secret,
    )
    pool = kind.open()
    with pytest.raises(PoolAuthError, match=said) as raised:
        await pool.observe(None)
    assert raised.value.mend
    await pool.close()


async def test_a_secret_that_others_may_read(kind: PeerKind) -> None:
    pool = kind.open()
    (kind.directory / "secret").chmod(0o644)
    with pytest.raises(PoolAuthError, match="others may read"):
        await pool.observe(None)
    (kind.directory / "secret").unlink()
    with pytest.raises(PoolAuthError, match="cannot be read"):
        await pool.observe(None)
    await pool.close()


async def test_certificates_that_are_none(kind: PeerKind) -> None:
    kind.more = (f"ca: {kind.directory / 'secret'}",)
    pool = kind.open()
    with pytest.raises(PoolAuthError, match="certificates in"):
        await pool.observe(None)
    await pool.close()


async def test_check_tells_what_is_offered(kind: PeerKind) -> None:
    pool = kind.open()
    said = await pool.check()  # type: ignore[attr-defined]
    assert said[0].startswith("suan ")
    assert said[1] == "it offers us lab: open"
    await pool.close()
    kind.given.ask("DELETE", f"/v1/peers/{peer_of(kind)}/offers/lab")
    pool = kind.open()
    with pytest.raises(PoolRejected, match="no pool 'lab'; it offers nothing"):
        await pool.check()  # type: ignore[attr-defined]
    await pool.close()
