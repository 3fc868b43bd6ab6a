"""The same calls in give the same plans out, byte for byte, whatever the hash seed."""

import os
import subprocess
import sys

SCENARIO = """
import random, hashlib
from tests.core.world import *
from suan.model.events import JobCancelled
rng = random.Random(20)
scheduler = told(
    pool("p", *[res(8, 32, A=4)] * 5, *[res(16, 64)] * 5),
    pool("q", *[res(8, 32, B=2)] * 7, *[res(4, 8)] * 3),
    pool("r", *[res(32, 64, A=8)] * 2),
)
running, digest = [], hashlib.sha256()
needs = [res(c, m) for c in (1, 2, 4) for m in (1, 4)]
needs += [res(1, 1, A=1), res(2, 2, any_=1), res(1, 1, B=0.5), res(4, 4, A=4)]
for now in range(3000):
    scheduler.apply(
        job(now, rng.choice(needs), rng.choice((1, 1, 4)), priority=rng.choice((0, 3)))
    )
    if running and rng.random() < 0.9:
        cause = rng.choice((Cause.SUCCEEDED, Cause.FAILED, Cause.LOST, Cause.REJECTED))
        scheduler.apply(ended(running.pop(rng.randrange(len(running))), cause, 1))
    if rng.random() < 0.1:
        scheduler.apply(JobCancelled(now, f"j{rng.randrange(now + 1)}"))
    plan = scheduler.decide(now, limit=rng.choice((1, 3, 1000)))
    digest.update(plan.digest().encode())
    running += [place.run for place in places(plan).values()]
print(digest.hexdigest(), scheduler.pending, scheduler.running)
"""


def test_no_order_rests_on_hashes() -> None:
    outputs = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", SCENARIO],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(done.stdout)
    (only,) = outputs
    pending, running = map(int, only.split()[1:])
    assert pending > 100
    assert running > 10
