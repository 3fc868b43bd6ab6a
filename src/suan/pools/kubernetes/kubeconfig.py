"""Where an API server is and who we are there: a kubeconfig's context, or the pod we run in."""

import base64
import binascii
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from suan.model.errors import PoolAuthError, PoolRejected
from suan.pools.kubernetes.credentials import Basic, Exec, Fixed, TokenFile, Tokens

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MEND = "name another by `kubeconfig` and `context` in pools.yaml; `kubectl config view` shows them"
_Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one API server, as whom, and in which namespace unless told otherwise."""

    server: str
    trust: ssl.SSLContext
    tokens: Tokens
    namespace: str
    where: str  # for people
    proxy: str | None = None
    server_name: str | None = None


def access(kubeconfig: str | None, context: str | None) -> Access:
    """Read what was named, else ``$KUBECONFIG``, ``~/.kube/config``, or the pod's own account.

    Raises:
        PoolRejected: there is none, or it is not whole.
        PoolAuthError: its certificate or key cannot be used.
    """
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    paths = [Path(each).expanduser() for each in named.split(os.pathsep) if each]
    usual = Path("~/.kube/config").expanduser()
    if not paths and not usual.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _in_cluster()
    config = _Config(paths or [usual])
    return config.access(context)


def _in_cluster() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    try:
        namespace = (_IN_CLUSTER / "namespace").read_text(encoding="utf-8").strip()
        trust = ssl.create_default_context(cafile=str(_IN_CLUSTER / "ca.crt"))
    except OSError as error:
        mend = "let the pod mount its service account's token"
        raise PoolRejected(
            f"the pod's service account cannot be read: {error}", mend=mend
        ) from error
    tokens = TokenFile(_IN_CLUSTER / "token")
    return Access(f"https://{host}:{port}", trust, tokens, namespace, "the pod's service account")


class _Config:
    """Several kubeconfigs as one: the first to name a thing wins."""

    def __init__(self, paths: list[Path]) -> None:
        self._parts: dict[str, dict[str, tuple[_Part, Path]]] = {}
        self._current: str | None = None
        self._where = os.pathsep.join(map(str, paths))
        for path in paths:
            self._read(path)

    def access(self, context: str | None) -> Access:
        name = context or self._current
        if not name:
            raise PoolRejected(f"{self._where} has no current-context", mend=_MEND)
        chosen, _ = self._named("contexts", name, "context")
        cluster, at = self._named("clusters", str(chosen.get("cluster", "")), "cluster")
        user, mine = self._named("users", str(chosen.get("user", "")), "user")
        server = str(cluster.get("server") or "")
        if not server.startswith(("https://", "http://")):
            raise PoolRejected(f"{at}: the server of context {name!r} is {server!r}", mend=_MEND)
        return Access(
            server=server.rstrip("/"),
            trust=_trust(cluster, user, at=at, mine=mine),
            tokens=_tokens(user, cluster, mine.parent),
            namespace=str(chosen.get("namespace") or "default"),
            where=f"context {name} of {self._where}",
            proxy=cluster.get("proxy-url"),
            server_name=cluster.get("tls-server-name"),
        )

    def _read(self, path: Path) -> None:
        try:
            loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 # a safe one
        except (OSError, UnicodeDecodeError) as error:
            raise PoolRejected(f"the kubeconfig cannot be read: {error}", mend=_MEND) from error
        except yaml.YAMLError as error:
            raise PoolRejected(f"{path} is not YAML: {error}", mend=_MEND) from error
        if not isinstance(loaded, dict):
            raise PoolRejected(f"{path} is no kubeconfig", mend=_MEND)
        self._current = self._current or loaded.get("current-context")
        for kind in ("contexts", "clusters", "users"):
            known = self._parts.setdefault(kind, {})
            for each in loaded.get(kind) or ():
                part = each.get(kind[:-1]) or {}
                known.setdefault(str(each.get("name", "")), (part, path))

    def _named(self, kind: str, name: str, what: str) -> tuple[_Part, Path]:
        known = self._parts.get(kind, {})
        if name not in known:
            has = ", ".join(sorted(known)) or "none"
            raise PoolRejected(
                f"{self._where} has no {what} called {name!r}", mend=f"it has: {has}; {_MEND}"
            )
        return known[name]


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _trust(cluster: _Part, user: _Part, *, at: Path, mine: Path) -> ssl.SSLContext:
    """Whom we believe, and the certificate that we show."""
    try:
        if cluster.get("insecure-skip-tls-verify"):
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            text = _data(cluster, "certificate-authority", at.parent)
            context = ssl.create_default_context(cadata=text.decode() if text else None)
        certificate = _data(user, "client-certificate", mine.parent)
        key = _data(user, "client-key", mine.parent)
        if certificate and key:
            show(context, certificate, key)
    except (OSError, ValueError) as error:
        raise PoolAuthError(
            f"{mine}: the certificates cannot be used: {error}", mend=_MEND
        ) from error
    return context


def show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have a context show a client certificate; ``ssl`` takes one from a file alone.

    Raises:
        OSError: they cannot be used (``ssl.SSLError`` is one).
    """
    with tempfile.NamedTemporaryFile(prefix="suan-") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _data(part: _Part, name: str, folder: Path) -> bytes | None:
    """A field that is given inline, in base64, or as a file's path."""
    inline = part.get(name + "-data")
    if inline:
        try:
            return base64.b64decode(inline)
        except binascii.Error as error:
            raise ValueError(f"{name}-data is not base64") from error
    path = part.get(name)
    return (folder / path).read_bytes() if path else None


def _tokens(user: _Part, cluster: _Part, folder: Path) -> Tokens:
    if user.get("token"):
        return Fixed(str(user["token"]))
    if user.get("tokenFile"):
        return TokenFile(folder / str(user["tokenFile"]))
    if user.get("exec"):
        return Exec(user["exec"], cluster, folder)
    if user.get("username"):
        return Basic(str(user["username"]), str(user.get("password", "")))
    if user.get("auth-provider"):
        mend = "use an exec plugin, as kubectl has required since 1.26"
        raise PoolRejected("the kubeconfig uses an auth-provider, which is gone", mend=mend)
    return Fixed(None)
