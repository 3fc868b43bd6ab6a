"""What jobs bring by content: it must be here, whole, before the job is taken."""

from collections.abc import Sequence

from suan.api.problems import ContentMissing
from suan.content import manifest
from suan.content.cache import Broken, Missing
from suan.content.kept import Kept
from suan.model.errors import InputError
from suan.model.spec import CONTENT, JobSpec, content_of

_FETCH = "have it fetched by POST /v1/content/fetch, and name it by its digest as sha256:DIGEST"
_MEND = "send it to POST /v1/content first; the command line and the SDK do"


async def check(content: Kept, specs: Sequence[JobSpec], prefixes: Sequence[str]) -> None:
    """Refuse jobs that bring what is not here. What they bring counts as used now.

    Raises:
        ContentMissing: some of it is not here.
        InputError: it is no manifest, or is to be laid out where it cannot.
    """
    checked: set[str] = set()
    for spec, prefix in zip(specs, prefixes, strict=True):
        for where, source in _sources(spec):
            digest = content_of(source)
            if digest is not None and digest not in checked:
                await _check(content, digest, prefix + where)
                checked.add(digest)


def _sources(spec: JobSpec) -> list[tuple[str, str]]:
    found = [] if spec.workdir is None else [("workdir", spec.workdir)]
    for target, source in spec.file_mounts.items():
        where = f"file_mounts.{target[:80]}"
        if source.startswith(CONTENT) and not manifest.is_plain(_tidy(target)):
            raise InputError(
                f"{target[:80]!r} is not below the working directory",
                where=where,
                mend="name a relative path, without ..",
            )
        if "://" in source:
            raise ContentMissing(f"{source[:200]} was not fetched", where=where, mend=_FETCH)
        found.append((where, source))
    return found


def _tidy(target: str) -> str:
    return target.removeprefix("./").rstrip("/")


async def _check(content: Kept, digest: str, where: str) -> None:
    try:
        needed = [digest, *manifest.files(await content.entries(digest))]
        missing = await content.missing(needed)
    except Broken as error:
        raise InputError(str(error), where=where, mend=_MEND) from None
    except Missing as error:
        raise ContentMissing(str(error), where=where, mend=_MEND) from None
    if missing:
        said = f"{len(missing):,} of its {len(needed):,} contents are not here"
        raise ContentMissing(said, where=where, mend=_MEND)
