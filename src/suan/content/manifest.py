"""What a folder holds: each file by its digest, links, and folders that are empty.

The bytes of a manifest depend on names, content and executable bits alone: no times, owners or
orders. The one entry of a single file's manifest has an empty path.
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

MOST_ENTRIES = 500_000
MOST_BYTES = 256 << 20  # of a manifest itself
FILE, LINK, FOLDER = "file", "link", "folder"
_DIGEST = re.compile("[0-9a-f]{64}")
_VERSION = 1


class Entry(NamedTuple):
    """One path of a folder, its parts joined by ``/``."""

    path: str
    kind: str = FILE
    digest: str = ""  # of a file
    size: int = 0
    executable: bool = False
    target: str = ""  # of a link


def encode(entries: "Iterable[Entry]") -> bytes:
    """A manifest. The same entries give the same bytes, in whatever order they come.

    Raises:
        ValueError: they are none that a folder could have.
    """
    ordered = sorted(entries)
    _check(ordered)
    told = {"version": _VERSION, "entries": [_plain(entry) for entry in ordered]}
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode("ascii")


def decode(data: bytes) -> "list[Entry]":
    """What a manifest lists, by path. It may come from anyone: whatever it says stays below the
    folder that it is laid out in.

    Raises:
        ValueError: it is no manifest, or has paths that lead elsewhere.
    """
    try:
        told = json.loads(data.decode("ascii"))
        if told["version"] != _VERSION:
            raise ValueError("a manifest of an unknown version")
        entries = [_entry(each) for each in told["entries"]]
    except (UnicodeDecodeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a manifest: {error!r}") from None
    _check(entries)
    return entries


def digest_of(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether a text can be a digest."""
    return _DIGEST.fullmatch(text) is not None


def files(entries: "Iterable[Entry]") -> "dict[str, int]":
    """The digest of each file's bytes, once, with their number."""
    return {entry.digest: entry.size for entry in entries if entry.kind == FILE}


def leads_outside(path: str, target: str) -> bool:
    """Whether a link at ``path`` would leave the folder, or is not written plainly."""
    if not target or "\0" in target or posixpath.isabs(target):
        return True
    parts = target.split("/")
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    if ".." in parts[climbs:]:
        return True  # what it leads to depends on other links
    return climbs > path.count("/")


def _plain(entry: Entry) -> "dict[str, Any]":
    told = {"path": entry.path}  # type: dict[str, Any]
    if entry.kind == LINK:
        told["link"] = entry.target
    elif entry.kind == FILE:
        told["file"], told["size"] = entry.digest, entry.size
        if entry.executable:
            told["executable"] = True
    return told


def _entry(told: "dict[str, Any]") -> Entry:
    path = _text(told["path"])
    if "file" in told:
        size = told["size"]
        if type(size) is not int or size < 0 or not is_digest(_text(told["file"])):
            raise ValueError(f"{path!r} has no digest and size")
        return Entry(path, FILE, told["file"], size, told.get("executable") is True)
    if "link" in told:
        return Entry(path, LINK, target=_text(told["link"]))
    return Entry(path, FOLDER)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")  # noqa: TRY004 - told as no manifest
    return value


def _check(entries: "list[Entry]") -> None:
    """Refuse what no folder has: paths that lead outside, or through a file or a link."""
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"{len(entries):,} entries; at most {MOST_ENTRIES:,} can be sent")
    if len(entries) == 1 and entries[0].path == "":
        if entries[0].kind != FILE:
            raise ValueError("a single entry without a path must be a file")
        return
    solid = set()  # what nothing can be below
    seen = set()
    for entry in entries:
        if not is_plain(entry.path) or entry.path in seen:
            raise ValueError(f"the path {entry.path!r} leads elsewhere, or stands twice")
        seen.add(entry.path)
        if entry.kind != FOLDER:
            solid.add(entry.path)
        if entry.kind == LINK and leads_outside(entry.path, entry.target):
            raise ValueError(f"the link {entry.path!r} leads outside")
    for entry in entries:
        above = posixpath.dirname(entry.path)
        while above:
            if above in solid:
                raise ValueError(f"{entry.path!r} is below {above!r}, which is no folder")
            above = posixpath.dirname(above)


def is_plain(path: str) -> bool:
    """Whether a path is below where it starts, and written in the one way."""
    parts = path.split("/")
    return "\0" not in path and not any(part in ("", ".", "..") for part in parts)
