"""Count primes block by block; on SIGUSR1 save the count and end, to go on another time."""

import argparse
import json
import os
import signal
import sys
from math import isqrt
from pathlib import Path

BLOCK = 10_000


def primes_in(begin: int, end: int) -> int:
    """How many primes there are from ``begin`` to ``end``, by a sieve."""
    maybe = bytearray([1]) * (end - begin)
    for number in range(begin, min(2, end)):
        maybe[number - begin] = 0
    for factor in range(2, isqrt(end) + 1):
        first = max(factor * factor, -(-begin // factor) * factor)
        maybe[first - begin :: factor] = bytes(len(range(first, end, factor)))
    return sum(maybe)


def load(state: Path) -> tuple[int, int]:
    """The blocks that are done and the primes in them."""
    if not state.exists():
        return 0, 0
    saved = json.loads(state.read_text())
    return saved["blocks"], saved["primes"]


def save(state: Path, blocks: int, primes: int) -> None:
    """Whole or not at all: a second signal, or the end of the grace, may come in between."""
    state.parent.mkdir(exist_ok=True)
    draft = state.with_suffix(".new")
    draft.write_text(json.dumps({"blocks": blocks, "primes": primes}))
    draft.replace(state)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--state", type=Path, default=Path("results/primes.json"))
    given = parser.parse_args()
    asked: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: asked.append(number))

    done, primes = load(given.state)
    print(f"attempt {os.environ.get('SUAN_ATTEMPT', '1')}: from block {done}", flush=True)
    while done < given.blocks:
        primes += primes_in(done * BLOCK, (done + 1) * BLOCK)
        done += 1
        if asked:
            save(given.state, done, primes)
            print(f"saved after block {done}", flush=True)
            return 0
    print(f"{primes} primes below {given.blocks * BLOCK}")
    given.state.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
