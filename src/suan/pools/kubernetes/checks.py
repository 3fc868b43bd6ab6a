"""``suan pool check``: whether a cluster would take a job, asked before the first one."""

from typing import Any

from suan.model.errors import PoolAuthError, PoolRejected
from suan.pools.kubernetes import kueue
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.limits import Limits
from suan.pools.kubernetes.objects import LimitRange, Named, Quota
from suan.pools.kubernetes.options import Options
from suan.pools.kubernetes.quotas import Quotas

_OLDEST = 30
_MEND = "bind the role of docs/howto/join-a-kubernetes-cluster.md to that account"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
Needed = tuple[tuple[str, str, bool, tuple[str, ...]], ...]
# group, resource, whether in the namespace alone, verbs
NEEDED: Needed = (
    ("", "nodes", False, ("list", "watch")),
    ("", "pods", False, ("list", "watch")),
    ("", "pods", True, ("list", "watch", "patch", "delete")),
    ("", "pods/log", True, ("get",)),
    ("", "pods/proxy", True, ("get", "create")),
    ("batch", "jobs", True, ("create", "get", "list", "watch", "patch", "delete")),
    ("", "secrets", True, ("create", "list", "patch", "delete")),
    ("", "events", True, ("list",)),
    ("", "resourcequotas", True, ("list", "watch")),
    ("", "limitranges", True, ("list", "watch")),
    ("", "namespaces", True, ("get",)),
)


async def check(api: ApiServer, options: Options, namespace: str) -> list[str]:
    """What there is, one line each.

    Raises:
        PoolError: what is wrong, and how to mend it.
    """
    found = [f"{await _version(api)} at {api.access.server}, by {api.access.where}"]
    asked = NEEDED + (kueue.NEEDED if options.kueue_queue else ())
    missing = await _missing(api, namespace, asked)
    if missing:
        raise PoolAuthError(
            f"{api.access.where} may not: {'; '.join(missing)}",
            mend=_MEND,
        )
    found.append(f"it may do all that is needed in namespace {namespace}")
    if await api.get(f"/api/v1/namespaces/{namespace}", Named) is None:
        from suan.pools.kubernetes.cluster import no_namespace

        raise no_namespace(namespace)
    found.append(await _room(api, namespace))
    found += await _limits(api, namespace)
    if options.kueue_queue:
        found.append(await kueue.Kueue(api, namespace).check(options.kueue_queue))
    if options.image is None:
        found.append("no image is declared: jobs must name theirs by `image_id`")
    else:
        found.append(f"jobs run in {options.image}, unless they name another by `image_id`")
    return found


async def _version(api: ApiServer) -> str:
    told: dict[str, Any] = await api.get("/version", dict[str, Any]) or {}
    minor = "".join(filter(str.isdigit, str(told.get("minor", ""))))
    if not minor or (told.get("major") == "1" and int(minor) < _OLDEST):
        raise PoolRejected(
            f"{api.access.server} runs Kubernetes {told.get('gitVersion', 'of no known version')}",
            mend=f"suan needs 1.{_OLDEST} or newer: upgrade the cluster",
        )
    return f"Kubernetes {told.get('gitVersion')}"


async def _missing(api: ApiServer, namespace: str, needed: Needed) -> list[str]:
    """What we may not do, of what is needed."""
    missing = []
    for group, resource, inside, verbs in needed:
        name, _, part = resource.partition("/")
        space = {"namespace": namespace if inside else ""}
        asked = {"group": group, "resource": name, "subresource": part, **space}
        denied = [verb for verb in verbs if not await _may(api, {**asked, "verb": verb})]
        if denied:
            where = f"in namespace {namespace}" if inside else "in the whole cluster"
            missing.append(f"{', '.join(denied)} {resource} {where}")
    return missing


async def _may(api: ApiServer, attributes: dict[str, str]) -> bool:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await api.review(body, _REVIEWS)
    return bool(answer.get("status", {}).get("allowed"))


async def _limits(api: ApiServer, namespace: str) -> list[str]:
    limits = Limits()
    for each in (await api.list(f"/api/v1/namespaces/{namespace}/limitranges", LimitRange))[0]:
        limits.hear(None, each)
    return limits.told()


async def _room(api: ApiServer, namespace: str) -> str:
    found, _ = await api.list(f"/api/v1/namespaces/{namespace}/resourcequotas", Quota)
    quotas = Quotas()
    for each in found:
        quotas.hear(None, each)
    if nothing := quotas.nothing():
        raise PoolRejected(
            f"namespace {namespace} takes no pods: {nothing}",
            mend="have the quota raised, or name another `namespace` in pools.yaml",
        )
    names = ", ".join(sorted(each.metadata.name for each in found))
    return f"namespace {namespace} has the quotas {names}" if names else (
        f"namespace {namespace} has no quota"
    )  # fmt: skip
