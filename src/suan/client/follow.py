"""Where a followed stream stands, so that it can go on after its connection broke. No I/O."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol, TypeVar

from suan.client import calls
from suan.client.calls import LogPart
from suan.client.decode import parse
from suan.client.sse import Parser
from suan.client.wire import Call
from suan.model.views import EventView

T = TypeVar("T", covariant=True)


class Followed(Protocol[T]):
    """What a client needs to know of a stream that it follows. ``endless`` streams are asked for
    again when they end."""

    endless: ClassVar[bool]

    @property
    def call(self) -> Call[None]: ...

    def take(self, chunk: bytes) -> Iterable[T]: ...


class FollowedLog:
    """A log that is read as it grows, from ``offset`` on."""

    endless: ClassVar[bool] = False

    def __init__(self, job: str, part: LogPart, offset: int) -> None:
        self._job = job
        self._part = part
        self._got = offset

    @property
    def call(self) -> Call[None]:
        """What to ask for next: everything from here on."""
        part = self._part.copy()
        part["offset"] = self._got
        part["tail"] = None
        return calls.logs(self._job, part, follow=True)

    def take(self, chunk: bytes) -> tuple[bytes]:
        """Note that a piece has come."""
        self._got += len(chunk)
        return (chunk,)


class FollowedEvents:
    """Events as they happen, each once, in order."""

    endless: ClassVar[bool] = True

    def __init__(self, after: int) -> None:
        self._after = after
        self._parser = Parser()

    @property
    def call(self) -> Call[None]:
        """What to ask for next: everything after what has come. Half a message is forgotten."""
        self._parser = Parser()
        return calls.event_stream(self._after)

    def take(self, chunk: bytes) -> Iterator[EventView]:
        """The events that a piece completes."""
        for message in self._parser.feed(chunk):
            event = parse(message.data.encode(), EventView)
            if event.id > self._after:
                self._after = event.id
                yield event
