"""What may not stand in a committed file: this machine, a registry, an unlisted host."""

import platform
import re

import pytest

from tests.tidy.tree import ROOT, name, repository_files, text

LOCKS = ("requirements.lock", "requirements-dev.lock")

# Hosts that a reader may be sent to. Everything else (a registry, a mirror, a machine of ours) is
# refused, so no list of what is forbidden has to be written down.
PUBLIC_HOSTS = {
    "localhost",
    "example.com",
    "example.org",
    "example.net",
    "github.com",
    "www.apache.org",
    "apache.org",
    "docs.python.org",
    "peps.python.org",
    "www.rfc-editor.org",
    "datatracker.ietf.org",
    "www.w3.org",
    "semver.org",
    "keepachangelog.com",
    "slurm.schedmd.com",
    "kubernetes.io",
    "docs.skypilot.co",
    "json-schema.org",
    "spec.openapis.org",
    "opensource.org",
    "hypothesis.readthedocs.io",
    "bford.info",
    "prometheus.io",
    "www.postgresql.org",
    "sqlite.org",
    "www.sqlite.org",
    "docs.sqlalchemy.org",
    "no-color.org",
}
URL_HOST = re.compile(r"\b(?:https?|git|ssh)://(?:[^\s/@\"'`<>{}()]*@)?([A-Za-z0-9.-]+)")
RESERVED = re.compile(
    r"127\.\d+\.\d+\.\d+|0\.0\.0\.0|10(\.\d+){3}|192\.0\.2\.\d+|198\.51\.100\.\d+|203\.0\.113\.\d+"
)
RESERVED_NAMES = (".example", ".test", ".invalid", ".localhost", ".example.com", ".example.org")


def absolute(*parts: str) -> str:
    return "/" + "/".join(parts) + "/"


def unlisted_hosts(content: str) -> set[str]:
    hosts = {host.rstrip(".").lower() for host in URL_HOST.findall(content)}
    return {
        host
        for host in hosts
        if "." in host
        and host not in PUBLIC_HOSTS
        and not RESERVED.fullmatch(host)
        and not host.endswith(RESERVED_NAMES)
    }


def test_every_host_in_a_committed_file_is_a_public_one_or_an_example() -> None:
    found = {
        name(path): hosts for path in repository_files() if (hosts := unlisted_hosts(text(path)))
    }
    assert not found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("see https://github.com/a/b", set()),
        ("curl http://127.0.0.1:7826/v1", set()),
        ("http" + "://registry.internal.corp/simple", {"registry.internal.corp"}),
        ("https" + "://user:word@files.somewhere.io/x", {"files.somewhere.io"}),
        ("http" + "://192.168.1.7/", {"192.168.1.7"}),
    ],
)
def test_hosts_are_told_apart(content: str, expected: set[str]) -> None:
    assert unlisted_hosts(content) == expected


def test_no_committed_file_names_this_machine_or_a_path_of_it() -> None:
    here = {
        str(ROOT) + "/" if len(ROOT.parts) > 2 else "",
        absolute("work", "main"),
        absolute("work", "shared"),
        absolute("tmp", "brief"),
    } - {""}
    machine = platform.node()
    named = {
        f"{name(path)}: {what}"
        for path in repository_files()
        for what in here
        if what in text(path)
    }
    if len(machine) > 8:  # a short or generic name says nothing
        word = re.compile(rf"\b{re.escape(machine)}\b")
        named |= {
            f"{name(path)}: {machine}" for path in repository_files() if word.search(text(path))
        }
    assert not named


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_host(lock: str) -> None:
    content = text(ROOT / lock)
    assert "://" not in content
    assert not re.findall(
        r"^--|--(?:extra-)?index-url|--find-links|--trusted-host", content, re.MULTILINE
    )
    requirements = re.split(
        r"\n(?=\S)", re.sub(r"^#.*\n?", "", content, flags=re.MULTILINE).strip()
    )
    assert len(requirements) > 20
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", each) for each in requirements)
    assert all("--hash=sha256:" in each for each in requirements)


def test_what_is_run_is_pinned_alike_in_both_locks() -> None:
    pins = [set(re.findall(r"^([\w.-]+==\S+)", text(ROOT / lock), re.MULTILINE)) for lock in LOCKS]
    assert pins[0] <= pins[1]
