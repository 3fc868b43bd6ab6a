"""The table's entry for peers: reading a declaration, and opening one."""

from pathlib import Path
from urllib.parse import urlsplit

from suan.facts.frameworks import canonical
from suan.model.offer import Offer, Terms
from suan.model.pool import capabilities
from suan.model.units import MINUTE, PoolName, SiteName
from suan.pools import quantities
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields
from suan.pools.peer.line import Line, Way
from suan.pools.peer.pool import PeerPool

_PATIENCE = 5 * MINUTE
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class PeerKind:
    """Declares and opens peers."""

    def declare(self, fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
        """Read an entry. What a peer's capacity costs, and where it is, its owner says.

        Raises:
            InputError: with ``file:line``.
        """
        name = PoolName(fields.text("name") or "")
        labels = fields.mapping("labels")
        offer = Offer(
            pool=name,
            kind="peer",
            terms=Terms(site=SiteName(name)),
            frameworks=tuple(map(canonical, fields.texts("frameworks"))),
            labels=tuple(sorted(labels.each(str).items())) if labels else (),
            capabilities=capabilities(PeerPool),
        )
        return PoolDeclaration(offer=offer, options=_options(fields, home), where=where)

    def open(self, declaration: PoolDeclaration, *, home: Path) -> PeerPool:
        """Open it; nothing is asked before its first call."""
        del home
        options = declaration.options
        way = Way(
            url=options["url"],
            token=options["token"],
            secret_file=Path(options["secret_file"]),
            ca=Path(options["ca"]) if "ca" in options else None,
        )
        offered = options.get("pool", declaration.name)
        patience = int(options.get("patience_us", _PATIENCE))
        return PeerPool(declaration.offer, Line(way), offered, patience=patience)


def _options(fields: Fields, home: Path) -> dict[str, str]:
    allow_http = fields.parsed("allow_http", quantities.flag) or False
    found: dict[str, str | None] = {
        "url": _url(fields, allow_http=allow_http),
        "token": _required(fields, "token", "the token that `suan peer offer` showed the owner"),
        "secret_file": str(_path(fields, "secret_file", home)),
        "pool": fields.text("pool"),
        "ca": str(_path(fields, "ca", home)) if fields.node("ca") else None,
    }
    patience = fields.parsed("patience_s", quantities.seconds)
    found["patience_us"] = None if patience is None else str(patience)
    return {name: value for name, value in found.items() if value is not None}


def _required(fields: Fields, name: str, what: str) -> str:
    value = fields.text(name)
    if not value:
        raise fields.error(f"a peer needs {name}", name=name, mend=f"write {what}")
    return value


def _url(fields: Fields, *, allow_http: bool) -> str:
    url = _required(fields, "url", "the peer's address, as https://suan.example.org").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise fields.error(
            f"{url!r} is no address of a server", name="url", mend="write https://HOST[:PORT]"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_http:
        raise fields.error(
            "over http the secrets of jobs would travel readable by everybody",
            name="url",
            mend="write https://…, or `allow_http: true` where the network itself is private",
        )
    return url


def _path(fields: Fields, name: str, home: Path) -> Path:
    """A file, relative to where the server lives."""
    text = _required(fields, name, "the path of a file")
    return home / Path(text).expanduser()
