"""A process of its own that works on a store: ``python worker.py URL ACTION ARGUMENT…``.

It prints a line for each thing that was acknowledged, at once, so that a test may kill it at any
moment and ask the store for everything that was printed.
"""

import asyncio
import sys

from suan.model.store import Command, Store
from suan.store import open_store
from tests.conformance.store.samples import NOW, TTL, cycle, entry, lead, submit


def say(text: object) -> None:
    print(text, flush=True)


async def submitting(store: Store, prefix: str, count: str) -> None:
    """Four connections, each submission acknowledged by its id."""
    names = [f"{prefix}-{at}" for at in range(int(count))]

    async def connection() -> None:
        while names:
            name = names.pop(0)
            await submit(store, name)
            say(name)

    await asyncio.gather(*(connection() for _ in range(4)))


async def recording(store: Store) -> None:
    """Cycles on and on, each acknowledged by its number."""
    lease = await lead(store, "worker")
    number = await store.last()
    while True:
        number += 1
        taken = tuple(job.id for job in (await store.gather(5)).jobs)
        await store.record(cycle(entry(number), taken_jobs=taken), lease)
        say(number)


async def requesting(store: Store) -> None:
    say(await store.request(Command("drain", "here"), NOW))


async def competing(store: Store, holder: str, rounds: str) -> None:
    """Take the lease over and over; print each token that was won."""
    for at in range(int(rounds)):
        lease = await store.acquire(holder, "", NOW + at, TTL)
        if lease is not None:
            say(lease.token)
            await store.release(lease)


ACTIONS = {
    "submit": submitting,
    "record": recording,
    "request": requesting,
    "compete": competing,
}


async def main(url: str, action: str, *arguments: str) -> None:
    store = await open_store(url)
    say("ready")
    await ACTIONS[action](store, *arguments)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
