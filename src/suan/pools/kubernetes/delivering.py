"""What jobs bring, into a pod of the cluster that keeps it; from there each task's pod fetches it.

The pod is the one of a Job that is made when something is first delivered, and ends once nothing
was for ``keep_days``. It is reached through the API server (``pods/proxy``), so that this works
from outside the cluster, too. It keeps what it has on a claim that the operator names, or, without
one, for as long as it lives.
"""

import asyncio
import base64
import json
import secrets
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote

import msgspec

from suan.content import manifest
from suan.model.errors import (
    PoolError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)
from suan.model.pool import Content, Launch, Parcel
from suan.pools.kubernetes import marks, outcomes
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.files.serving import BROKEN, DIRECTORY, FULL, NO_SUCH, WORD, word_of
from suan.pools.kubernetes.objects import Named, Pod, Secret
from suan.pools.kubernetes.options import Options
from suan.pools.sending import send

PORT = 8473
_LABEL = "suan/files"
_PACKAGE, _CONTENT = "suan.pools.kubernetes.files", "suan.content"
_START_S = 90.0
_LOOK_S = 0.2
# Makes modules of a text, as if they had been installed, and calls the last one.
_BOOT = """
import base64,json,sys,types,zlib
for name,package,text in json.loads(zlib.decompress(base64.b64decode(sys.argv[1])).decode()):
 module=types.ModuleType(name)
 sys.modules[name]=module
 if package:module.__path__=[]
 exec(compile(text,name,'exec'),module.__dict__)
 home,_,last=name.rpartition('.')
 if home:setattr(sys.modules[home],last,module)
module.main()
"""


@dataclass(frozen=True, slots=True)
class _At:
    """The pod that keeps files, and the word by which it serves."""

    pod: str
    address: str
    word: str


class Leaving(msgspec.Struct, array_like=True, frozen=True):
    """A file that a task has left; ``digest`` is its SHA-256."""

    rank: int
    path: str
    size: int
    digest: str
    executable: bool


class Files:
    """The files of one pool. It is a ``suan.pools.sending.Keeper``."""

    def __init__(self, api: ApiServer, options: Options, *, namespace: str) -> None:
        self._api = api
        self._options = options
        self._core = f"/api/v1/namespaces/{namespace}"
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._at: _At | None = None
        self._looked = False
        self._opening = asyncio.Lock()

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Bring to the cluster what it lacks of a parcel.

        Raises:
            PoolRejected: it is no parcel, or the pool has no image to keep files with.
            PoolError: it is not all there.
        """
        await self._ready()
        await send(parcel, content, self, moved=moved)

    async def source(self, launch: Launch) -> str:
        """Where a run's pods fetch what it brings: an address.

        Raises:
            PoolRejected: it would be laid out elsewhere than in the working directory.
            PoolUnavailable: it has to be delivered first.
        """
        for each in launch.parcels:
            if each.target and not manifest.is_plain(each.target):
                raise PoolRejected(f"{each.target!r} leads out of the working directory")
        at = self._at or await self._found()
        wanted = [each.digest for each in launch.parcels]
        if at is None or await self.missing(wanted):
            raise PoolUnavailable("what the job brings has to be delivered first")
        return at.address

    async def ready(self) -> None:
        """See to it that there is a pod that keeps files.

        Raises:
            PoolError: there cannot be, and why.
        """
        await self._ready()

    async def keeper(self, run: str) -> str:
        """Where a run's keeper sends what it leaves, as words: address, port, run, the word; empty
        if nothing keeps files."""
        if self._at is None and not self._looked:
            await self._found()
        self._looked = True
        if (at := self._at) is None:
            return ""
        named = marks.base_name(run)
        return f"{at.address} {PORT} {named} {word_of(at.word, named)}"

    async def left(self, run: str) -> list[Leaving]:
        """What a run has left; nothing if what kept it is gone.

        Raises:
            PoolError: it cannot be asked for.
        """
        if self._at is None and await self._found() is None:
            return []
        found = await self._ask(f"left/{marks.base_name(run)}", None)
        return msgspec.json.decode(found, type=list[Leaving])

    async def read(self, run: str, left: Leaving, *, span: tuple[int, int]) -> bytes:
        """A piece of a file; ``span``: the offset and the most bytes.

        Raises:
            PoolUnavailable: it is gone.
        """
        if self._at is None and await self._found() is None:
            raise PoolUnavailable("the pod that kept it is gone")
        offset, limit = span
        what = f"{marks.base_name(run)}/{left.rank}/{offset}/{limit}/{quote(left.path)}"
        return await self._ask(f"read/{what}", None)

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which contents are not there whole, each with how many of its first bytes are."""
        found = await self._ask("missing", msgspec.json.encode(list(digests)))
        return msgspec.json.decode(found, type=dict[str, int])

    async def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Take a piece."""
        await self._ask(f"put/{digest}/{offset}/{size}", data)

    async def _ask(self, what: str, data: bytes | None) -> bytes:
        at = self._at
        if at is None:
            raise PoolUnavailable("the pod that keeps files is not there")
        path = f"{self._core}/pods/http:{at.pod}:{PORT}/proxy/{what}"
        try:
            response = await self._api.pass_on(path, data, {WORD: at.word})
            if response.status_code == NO_SUCH:
                raise PoolRejected(response.text[:300])
            if response.status_code in (FULL, BROKEN, 404):
                raise PoolUnavailable(f"the pod {at.pod} took no files: {response.text[:300]}")
            return self._api.checked(response)
        except PoolOutcomeUnknown as error:  # asking again is harmless
            raise PoolUnavailable(str(error)) from error
        except PoolUnavailable:
            self._at = None
            raise

    async def _ready(self) -> None:
        """See to it that the pod is there and serves.

        Raises:
            PoolUnavailable: it does not start, and why.
        """
        async with self._opening:
            if self._at is not None:
                return
            last = time.monotonic() + _START_S
            while await self._found() is None:
                await self._make()
                if time.monotonic() > last:
                    raise PoolUnavailable(await self._why_not())
                await asyncio.sleep(_LOOK_S)

    async def _found(self) -> _At | None:
        """The pod, if it serves."""
        for pod in await self._pods():
            if pod.state.running is None or not pod.status.pod_ip:
                continue
            for secret in await self._secrets():
                word = base64.b64decode(secret.data.get("word", "")).decode()
                self._at = _At(pod.metadata.name, pod.status.pod_ip, word)
                try:
                    await self._ask("ready", None)
                except PoolError:
                    self._at = None
                    continue
                return self._at
        return None

    async def _why_not(self) -> str:
        words = [outcomes.blocked(pod, _START_S)[1] for pod in await self._pods()]
        said = next(filter(None, words), "nothing is told of it")
        return f"the pod that keeps files does not start: {said}"

    async def _pods(self) -> list[Pod]:
        found, _ = await self._api.list(f"{self._core}/pods", Pod, labelSelector=self._selector)
        return [each for each in found if not each.over and not each.metadata.deletion_timestamp]

    async def _secrets(self) -> list[Secret]:
        path = f"{self._core}/secrets"
        found, _ = await self._api.list(path, Secret, labelSelector=self._selector)
        return found

    @property
    def _selector(self) -> str:
        return f"{_LABEL}={self._options.pool}"

    async def _make(self) -> None:
        """The Secret with the word, and the Job; what is there stays."""
        labels = {marks.MANAGED: "suan", _LABEL: self._options.pool}
        meta = {"name": name(self._options), "labels": labels}
        word = base64.b64encode(secrets.token_hex(16).encode()).decode()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"word": word}}
        await self._api.create(f"{self._core}/secrets", secret, Named)
        job = await self._api.create(self._jobs, _job(self._options, meta), Named)
        if job is not None:
            path = f"{self._core}/secrets/{meta['name']}"
            await self._api.patch(path, marks.owned_by(job), Named)


def name(options: Options) -> str:
    """Of the Job that keeps a pool's files, and of its Secret."""
    return f"suan-files-{marks.base_name(options.pool)}"


def bringing(launch: Launch, options: Options, source: str) -> dict[str, Any]:
    """The container that lays out what a run brings, before its task begins."""
    told = json.dumps([[each.digest, each.target] for each in launch.parcels])
    env = {"FILES_URL": f"http://{_host(source)}:{PORT}", "FILES_PARCELS": told}
    return _container(options, "bringing", env)


def image(options: Options) -> str:
    """The image of what keeps and brings files.

    Raises:
        PoolRejected: there is none.
    """
    if found := options.files_image or options.image:
        return found
    raise PoolRejected(
        f"pool {options.pool} has no image with Python, to keep files with",
        mend="write `files_image` or `image` into its entry of pools.yaml",
    )


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _job(options: Options, meta: dict[str, Any]) -> dict[str, Any]:
    volume: dict[str, Any] = {"name": "content", "emptyDir": {}}
    if options.files_claim:
        claim = {"claimName": options.files_claim}
        volume = {"name": "content", "persistentVolumeClaim": claim}
    env = {"FILES_PORT": str(PORT), "FILES_KEEP_S": str(options.seconds("keep_days"))}
    container = _container(options, "serving", env) | {
        "ports": [{"containerPort": PORT}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "content", "mountPath": DIRECTORY}],
    }
    spec = {
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": options.node_selector,
        "tolerations": [each.told() for each in options.tolerations],
        "imagePullSecrets": [{"name": each} for each in options.pull_secrets],
        "volumes": [volume],
        "containers": [container],
    }
    template = {"metadata": {"labels": meta["labels"]}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {"backoffLimit": 1_000_000, "ttlSecondsAfterFinished": 0, "template": template},
    }


def _container(options: Options, program: str, env: Mapping[str, str]) -> dict[str, Any]:
    word = {"secretKeyRef": {"name": name(options), "key": "word"}}
    return {
        "name": program,
        "image": image(options),
        "command": ["python3", "-c", _BOOT, _program(program)],
        "env": [
            *({"name": each, "value": value} for each, value in env.items()),
            {"name": "FILES_WORD", "valueFrom": word},
        ],
    }


@cache
def _program(module: str) -> str:
    """A program's modules with what it imports of ours, packed."""
    words = _PACKAGE.split(".")
    packages = [".".join(words[: length + 1]) for length in range(len(words))] + [_CONTENT]
    theirs = [(_CONTENT, "manifest"), (_CONTENT, "cache"), (_PACKAGE, module)]
    if module == "serving":
        theirs[2:2] = [(_CONTENT, "outputs"), (_PACKAGE, "leaving")]
    told: list[tuple[str, bool, str]] = [(each, True, "") for each in packages]
    for home, each in theirs:
        text = resources.files(home).joinpath(f"{each}.py").read_text(encoding="utf-8")
        told.append((f"{home}.{each}", False, text))
    return base64.b64encode(zlib.compress(json.dumps(told).encode(), 9)).decode()
