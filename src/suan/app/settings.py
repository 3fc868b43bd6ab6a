"""The server's settings: where each comes from, and what is refused before anything starts."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from suan.api.loopback import is_loopback
from suan.model.errors import InputError
from suan.model.policy import POLICIES, Policy
from suan.model.units import SECOND

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7826
DEFAULT_POLICY = "default"
LEASE_SECONDS = 6.0
CONTENT_DAYS = 7.0
FETCHES = ("https://", "s3://", "gs://", "gcs://", "oss://", "hf://")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What ``suan serve`` runs with. Documented in ``docs/reference/settings.md``."""

    home: Path
    host: str
    port: int
    store_url: str
    pools_file: Path | None
    require_tokens: bool
    lease_seconds: float = LEASE_SECONDS
    policy: str = DEFAULT_POLICY  # of suan.model.policy.POLICIES
    min_run_seconds: float | None = None  # instead of the policy's own
    half_life_seconds: float | None = None  # likewise
    content: Path | None = None  # where what jobs bring lies; home/content
    content_bytes: int | None = None  # the most that it may hold
    content_days: float = CONTENT_DAYS
    fetches: tuple[str, ...] = FETCHES  # beginnings of URLs

    @property
    def decides_by(self) -> Policy:
        """The policy itself."""
        policy = POLICIES[self.policy]
        if self.min_run_seconds is not None:
            policy = replace(policy, min_run_time=int(self.min_run_seconds * SECOND))
        if self.half_life_seconds is not None:
            policy = replace(policy, half_life=int(self.half_life_seconds * SECOND))
        return policy

    @property
    def content_folders(self) -> tuple[Path, ...]:
        """Where what jobs bring lies: the server's, then the local pools' if it is another."""
        own = self.home / "content"
        return (own,) if self.content in (None, own) else (self.content, own)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def default_home() -> Path:
    """``$SUAN_HOME``, or ``~/.suan``."""
    return Path(os.environ.get("SUAN_HOME") or Path.home() / ".suan").expanduser().absolute()


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line gave; ``None`` where it gave nothing."""

    home: str | None = None
    host: str | None = None
    port: int | None = None
    store_url: str | None = None
    pools_file: str | None = None
    require_tokens: bool = False
    policy: str | None = None


def resolve(flags: Flags) -> ServerSettings:
    """Flags first, then the environment, then the defaults.

    Raises:
        InputError: a value makes no sense, or a named file is missing.
    """
    home = Path(flags.home).expanduser().absolute() if flags.home else default_home()
    gib = _number("SUAN_CONTENT_GIB", "GiB", least=0.001, most=1e9)
    host = flags.host or os.environ.get("SUAN_HOST") or DEFAULT_HOST
    return ServerSettings(
        home=home,
        host=host,
        port=_port(flags.port),
        store_url=flags.store_url or os.environ.get("SUAN_STORE") or f"sqlite:///{home}/suan.db",
        pools_file=_pools_file(flags.pools_file, home),
        require_tokens=(
            flags.require_tokens
            or os.environ.get("SUAN_REQUIRE_TOKENS", "") not in ("", "0")
            or not is_loopback(host)
        ),
        lease_seconds=_seconds("LEASE", 1.0, 300.0) or LEASE_SECONDS,
        policy=_policy(flags.policy),
        min_run_seconds=_seconds("MIN_RUN", 0.0, 7 * 86_400.0),
        half_life_seconds=_seconds("HALF_LIFE", 60.0, 366 * 86_400.0),
        content=_content(),
        fetches=_fetches(),
        content_bytes=None if gib is None else int(gib * (1 << 30)),
        content_days=_number("SUAN_CONTENT_DAYS", "days", least=0.05, most=3650.0) or CONTENT_DAYS,
    )


def _port(flag: int | None) -> int:
    if flag is not None:
        return flag
    text = os.environ.get("SUAN_PORT", str(DEFAULT_PORT))
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise InputError(
        f"{text!r} is not a port", where="SUAN_PORT", mend="use a number from 0 to 65535"
    )


def _policy(flag: str | None) -> str:
    name = flag or os.environ.get("SUAN_POLICY") or DEFAULT_POLICY
    if name not in POLICIES:
        raise InputError(
            f"there is no policy {name!r}",
            where="--policy" if flag else "SUAN_POLICY",
            mend=f"use one of {', '.join(POLICIES)}",
        )
    return name


def _seconds(name: str, least: float, most: float) -> float | None:
    """``SUAN_<name>_SECONDS``, if it is set."""
    return _number(f"SUAN_{name}_SECONDS", "seconds", least=least, most=most)


def _number(variable: str, unit: str, *, least: float, most: float) -> float | None:
    """A variable's number, if it is set."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        raise InputError(
            f"{text!r} is not what it can be",
            where=variable,
            mend=f"use {unit}, from {least:g} to {most:g}",
        )
    return number


def _fetches() -> tuple[str, ...]:
    text = os.environ.get("SUAN_FETCH")
    if text is None:
        return FETCHES
    found = tuple(each for each in re.split(r"[\s,]+", text) if each)
    if wrong := [each for each in found if "://" not in each or each.startswith("file:")]:
        raise InputError(
            f"{wrong[0]!r} does not begin a URL that a server may fetch",
            where="SUAN_FETCH",
            mend="list beginnings such as https:// or s3://bucket/, or leave it empty for none",
        )
    return found


def _content() -> Path | None:
    text = os.environ.get("SUAN_CONTENT")
    return Path(text).expanduser().absolute() if text else None


def _pools_file(flag: str | None, home: Path) -> Path | None:
    named = flag or os.environ.get("SUAN_POOLS")
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise InputError(
                f"there is no pools file {path}",
                where="--pools" if flag else "SUAN_POOLS",
                mend="name a YAML file (docs/reference/pools-yaml.md), or leave it out to use this"
                " machine alone",
            )
        return path
    path = home / "pools.yaml"
    return path if path.is_file() else None
