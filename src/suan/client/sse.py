"""Server-sent events, as the HTML standard has them: bytes in, messages out. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a stream."""

    id: str
    event: str
    data: str


class Parser:
    """Feed it bytes as they come; it gives each message once it is whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that ``chunk`` completes. Comments (heartbeats) are skipped."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if message := self._line(line.rstrip(b"\r").decode("utf-8", "replace")):
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        return None

    def _dispatch(self) -> Message | None:
        data, event = self._data, self._event
        self._data, self._event = [], ""
        return Message(self._id, event or "message", "\n".join(data)) if data else None
