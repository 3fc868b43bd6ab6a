"""What a namespace's LimitRanges let a container or a pod ask for."""

from collections.abc import Iterator, Mapping

from suan.model.errors import PoolRejected
from suan.pools.kubernetes.objects import Limit, LimitRange, know
from suan.pools.kubernetes.quantity import milli

_TYPES = "Container", "Pod"  # a pod of ours has one container
_MEND = "ask for what it allows, have it changed, or name another `namespace` in pools.yaml"


class Limits:
    """Every LimitRange of a namespace."""

    def __init__(self) -> None:
        self._known: dict[str, LimitRange] = {}

    def hear(self, before: LimitRange | None, after: LimitRange | None) -> None:
        """One came, changed or went."""
        know(self._known, before, after)

    def allow(self, requests: Mapping[str, str], limits: Mapping[str, str]) -> None:
        """Raises:
        PoolRejected: the API server would let no such pod in, and why.
        """
        for name, each in self._all():
            for wrong in _wrong(each, requests, self._in_effect(limits)):
                raise PoolRejected(f"LimitRange {name!r} of the namespace {wrong}", mend=_MEND)

    def told(self) -> list[str]:
        """Each, in words."""
        found = []
        for name, each in self._all():
            words = [f"at least {_words(each.min)}"] if each.min else []
            words += [f"at most {_words(each.max)}"] if each.max else []
            if words:
                found.append(f"LimitRange {name} allows {' and '.join(words)} in a {each.type}")
        return found

    def _all(self) -> Iterator[tuple[str, Limit]]:
        for name, known in sorted(self._known.items()):
            for each in known.spec.limits:
                if each.type in _TYPES:
                    yield name, each

    def _in_effect(self, limits: Mapping[str, str]) -> dict[str, str]:
        """What a container that names ``limits`` is limited to."""
        found: dict[str, str] = {}
        for _, each in self._all():
            if each.type == "Container":
                found |= {**each.max, **each.default}
        return found | dict(limits)


def _wrong(each: Limit, requests: Mapping[str, str], limits: Mapping[str, str]) -> Iterator[str]:
    kind = each.type.lower()
    for resource, least in each.min.items():
        if resource in requests and milli(requests[resource]) < milli(least):
            need = requests[resource]
            yield f"wants at least {least} of {resource} in a {kind}, and the run asks for {need}"
    for resource, most in each.max.items():
        for asked in (requests, limits):
            if milli(asked.get(resource, "0")) > milli(most):
                need = asked[resource]
                yield f"allows {most} of {resource} in a {kind}, and the run needs {need}"
    for resource, limit in limits.items():
        if milli(requests.get(resource, "0")) > milli(limit):
            need = requests[resource]
            yield f"limits {resource} to {limit} where nothing is said, and the run needs {need}"


def _words(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} of {resource}" for resource, amount in sorted(amounts.items()))
