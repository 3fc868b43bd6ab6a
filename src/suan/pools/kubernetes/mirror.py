"""A list of objects, kept true by watching it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from suan.model.errors import PoolError
from suan.pools.kubernetes.api import OPENED, ApiServer, Gone
from suan.pools.kubernetes.objects import Named

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 5.0


class _Meta(Protocol):
    name: str
    namespace: str
    resource_version: str


class _Object(Protocol):
    @property
    def metadata(self) -> _Meta: ...


T = TypeVar("T", bound=_Object)
Heard = Callable[[T | None, T | None], None]  # before and after, ``None`` where there is none


class Mirror(Generic[T]):
    """Objects of one kind by ``namespace/name``. ``hear`` is told of each change, also of those
    that a fresh list shows after a break; ``trouble`` says why it may be behind."""

    def __init__(
        self,
        api: ApiServer,
        path: str,
        kind: type[T],
        *,
        hear: Heard[T],
        woken: Callable[[], None],
        params: dict[str, str] | None = None,
    ) -> None:
        self._api = api
        self._path = path
        self._kind = kind
        self._hear = hear
        self._woken = woken
        self._params = params or {}
        self._version = ""
        self.objects: dict[str, T] = {}
        self.trouble: PoolError | None = None
        self.looked = asyncio.Event()  # the first list has come, or has failed

    async def run(self) -> None:
        """List and watch, for ever."""
        delay = _FIRST_DELAY_S
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                delay = _FIRST_DELAY_S
                await asyncio.sleep(delay)  # the server ends each watch after a while
            except Gone:
                self._version = ""
            except PoolError as error:
                self._ill(error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY_S)

    async def _list(self) -> None:
        found, version = await self._api.list(self._path, self._kind, **self._params)
        fresh = {_key(each): each for each in found}
        for key in [key for key in self.objects if key not in fresh]:
            self._take(key, None)
        for key, each in fresh.items():
            self._take(key, each)
        self._version = version

    async def _watch(self) -> None:
        decode = msgspec.json.Decoder(self._kind).decode
        watching = self._api.watch(self._path, self._version, **self._params)
        async with contextlib.aclosing(watching) as changes:
            async for change in changes:
                if change.type == "ERROR":
                    raise Gone  # mostly because that version is forgotten; a fresh list is right
                if change.type == OPENED:
                    self._well()
                    continue
                if change.type == "BOOKMARK":
                    named = msgspec.json.decode(change.object, type=Named)
                    self._version = named.metadata.resource_version
                    continue
                each = decode(change.object)
                gone = change.type == "DELETED"
                self._take(_key(each), None if gone else each, last=each)
                self._version = each.metadata.resource_version
                self._woken()

    def _take(self, key: str, after: T | None, *, last: T | None = None) -> None:
        before = self.objects.get(key)
        if after is None:
            if before is not None:
                del self.objects[key]
                self._hear(last or before, None)
            return
        if before is None or before.metadata.resource_version != after.metadata.resource_version:
            self.objects[key] = after
            self._hear(before, after)

    def _well(self) -> None:
        self.trouble = None
        self.looked.set()
        self._woken()

    def _ill(self, error: PoolError) -> None:
        self.trouble = error
        self.looked.set()
        self._woken()


def _key(each: _Object) -> str:
    return f"{each.metadata.namespace}/{each.metadata.name}"
