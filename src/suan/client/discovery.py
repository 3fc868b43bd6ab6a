"""Which server to talk to, and as whom."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from suan.client.errors import ServerUnreachable
from suan.model.errors import InputError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
START = "start one here with `suan up`, or set SUAN_SERVER to the URL of one that runs"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's URL without a trailing slash, and who asks. ``source`` says where it is from."""

    url: str
    token: str | None
    user: str
    source: str
    started_here: bool = False  # by ``suan up`` or ``serve``, in this very home


def home() -> Path:
    """suan's own directory: ``$SUAN_HOME``, by default ``~/.suan``."""
    return Path(os.environ.get("SUAN_HOME") or "~/.suan").expanduser()


def find(url: str | None = None, token: str | None = None) -> Endpoint:
    """The server that was named, else ``$SUAN_SERVER``, else the one that ``suan up`` started.

    Raises:
        ServerUnreachable: none is named and none was started here.
        InputError: what names it is malformed.
    """
    found, source = _url(url)
    path = str(home() / "server.json")
    return Endpoint(
        url=_checked(found, source).rstrip("/"),
        token=_token(token),
        user=_user(),
        source=source,
        started_here=source == path and urlsplit(found).hostname in LOOPBACK,
    )


def _url(url: str | None) -> tuple[str, str]:
    if url:
        return url, "the URL given"
    if from_env := os.environ.get("SUAN_SERVER"):
        return from_env, "SUAN_SERVER"
    path = home() / "server.json"
    record = read_record(path)
    if record is None:
        raise ServerUnreachable("no server is known on this machine", refused=True, mend=START)
    return str(record["url"]), str(path)


def read_record(path: Path) -> dict[str, object] | None:
    """What ``suan serve`` wrote of itself: url, pid, started_at_us, version; ``None`` if absent.

    Raises:
        InputError: the file is unreadable or damaged.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not isinstance(record.get("url"), str):
            raise ValueError("it has no url")  # noqa: TRY004 # told as a damaged file
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"the server's record cannot be read: {error}",
            where=str(path),
            mend="remove the file, then `suan up`",
        ) from error
    return record


def _checked(url: str, source: str) -> str:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise InputError(
            f"{url!r} is not the URL of a server",
            where=source,
            mend="write it like http://127.0.0.1:7826",
        )
    return url


def _token(token: str | None) -> str | None:
    found, source = token, "the token given"
    if found is None:
        found, source = os.environ.get("SUAN_TOKEN"), "SUAN_TOKEN"
    if found is None:
        path = home() / "token"
        source = str(path)
        try:
            found = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"the token cannot be read: {error}", where=source) from error
    found = found.strip()
    if not (found.isascii() and found.isprintable()):
        raise InputError(
            "the token has characters that no token has",
            where=source,
            mend="copy it again, whole, as `suan token create` showed it",
        )
    return found or None


def _user() -> str:
    """The name that jobs are submitted under where no token says it, as the API takes it."""
    named = os.environ.get("SUAN_USER") or os.environ.get("USER") or _login() or "local"
    plain = re.sub(r"[^A-Za-z0-9_.@+-]", "_", named)[:64]
    return plain if plain[0].isalnum() or plain[0] == "_" else "_" + plain[1:]


def _login() -> str | None:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return None
