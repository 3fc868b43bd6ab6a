"""Keeps web pages away from a server that asks for no token.

On loopback no token is needed, but a browser on the same machine would carry requests for any page
it shows. A page of another site is told by its ``Origin`` (or ``Sec-Fetch-Site``); a name that was
rebound to 127.0.0.1 is told by the ``Host`` that the browser still sends.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from suan.api.loopback import is_loopback
from suan.api.problems import Forbidden

_MEND = "use the address that the server listens on, or a token"


def check_origin(headers: Mapping[str, str], hosts: tuple[str, ...]) -> None:
    """Refuse a request that a web page of another origin makes.

    Raises:
        Forbidden: naming what was wrong.
    """
    host = headers.get("host", "")
    if not _is_local(_name(host), hosts):
        raise Forbidden(f"the host {host[:80]!r} is not this server's own", mend=_MEND)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Forbidden(f"a page of {origin[:80]!r} may not use this server", mend=_MEND)
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Forbidden("a page of another site may not use this server", mend=_MEND)


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_local(name: str, hosts: tuple[str, ...]) -> bool:
    return name in hosts or is_loopback(name)
