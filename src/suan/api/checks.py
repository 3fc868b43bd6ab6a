"""What the API asks of a specification beyond its types, so that nothing later can choke on it."""

import re
from dataclasses import replace

from suan.model.errors import InputError
from suan.model.spec import JobSpec, ResourceOption

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TENANT = re.compile(
    r"(?=.{1,128}$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})*"
)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{12}(?:-[0-9]{1,10})?")
MAX_INT = 2**53 - 1  # what every JSON reader keeps exactly
_NUMBERS = ("time_limit", "expected", "deadline", "flexible", "budget", "max_hourly_cost")
_TEXTS = ("name", "run", "setup", "workdir", "framework", "latency", "stdout", "stderr", "origin")
_MAPS = ("envs", "secrets", "file_mounts", "labels")


def checked_spec(spec: JobSpec, prefix: str) -> JobSpec:
    """The specification with accelerators and places in their canonical spelling.

    Args:
        prefix: where it stands: "" or ``jobs[3].``.

    Raises:
        InputError: a value cannot be kept or used.
    """
    check_name(spec.queue, prefix + "queue")
    check_tenant(spec.tenant, prefix + "tenant")
    if spec.reservation is not None:
        check_name(spec.reservation, prefix + "reservation")
    for name in _TEXTS:
        _check_text(getattr(spec, name), prefix + name)
    for name in _NUMBERS:
        check_number(getattr(spec, name), prefix + name)
    if spec.forwarded is not None:
        raise InputError(
            "only suan says what was forwarded", where=f"{prefix}forwarded", mend="leave it out"
        )
    _check_maps(spec, prefix)
    _check_lists(spec, prefix)
    options = tuple(
        _checked_option(each, f"{prefix}resources[{i}]") for i, each in enumerate(spec.resources)
    )
    return spec if options == spec.resources else replace(spec, resources=options)


def check_number(value: int | None, where: str) -> None:
    """Refuse a number that is not kept exactly everywhere.

    Raises:
        InputError: it is beyond ±(2^53 - 1).
    """
    if value is not None and abs(value) > MAX_INT:
        raise InputError(f"{value} is too large", where=where, mend=f"at most {MAX_INT}")


def check_name(value: str, where: str) -> None:
    """Refuse what is no queue's name.

    Raises:
        InputError: it is not.
    """
    if not NAME.fullmatch(value):
        raise InputError(
            f"{value[:80]!r} is not a name",
            where=where,
            mend="use letters, digits and . _ - (first a letter or digit), at most 64",
        )


def check_tenant(value: str, where: str) -> None:
    """Refuse what is no tenant's name.

    Raises:
        InputError: it is not.
    """
    if not TENANT.fullmatch(value):
        raise InputError(
            f"{value[:80]!r} is not a tenant's name",
            where=where,
            mend="use names joined by /, as lab/vision: each of letters, digits and . _ - (first a"
            " letter or digit), at most 64; at most 128 together",
        )


def _check_text(value: str | None, where: str) -> None:
    if value is not None and "\0" in value:
        raise InputError("a NUL character", where=where, mend="leave it out")
    if where.endswith("name") and value is not None and not (0 < len(value) <= 200):
        raise InputError(
            f"a name of {len(value)} characters", where=where, mend="use from 1 to 200"
        )
    if where.endswith("name") and value is not None and not value.isprintable():
        raise InputError(
            f"the name {value!a} holds a character that cannot be shown",
            where=where,
            mend="leave out control characters and line breaks",
        )


def _check_maps(spec: JobSpec, prefix: str) -> None:
    for name in _MAPS:
        for key, value in getattr(spec, name).items():
            _check_text(key, f"{prefix}{name}")
            _check_text(value, f"{prefix}{name}.{key}")
    for name in ("envs", "secrets", "sweep"):
        for key in getattr(spec, name):
            if not VARIABLE.fullmatch(key):
                raise InputError(
                    f"{key[:80]!r} is not a variable's name",
                    where=f"{prefix}{name}",
                    mend="use letters, digits and _, no digit first",
                )


def _check_lists(spec: JobSpec, prefix: str) -> None:
    for name in ("inputs", "outputs"):
        for i, value in enumerate(getattr(spec, name)):
            _check_text(value, f"{prefix}{name}[{i}]")
    for key, values in spec.sweep.items():
        for i, value in enumerate(values):
            _check_text(value, f"{prefix}sweep.{key}[{i}]")
        if not values:
            raise InputError(
                "a parameter without values", where=f"{prefix}sweep.{key}", mend="give one"
            )
    if any(not 0 <= index <= MAX_INT for index in spec.array):
        raise InputError(
            "an index is negative or too large", where=f"{prefix}array", mend="count from 0"
        )
    if len(set(spec.array)) != len(spec.array):
        raise InputError("an index stands twice", where=f"{prefix}array", mend="name each once")
    for count in (spec.retry.max_failures, spec.retry.max_lost, spec.retry.max_preempted):
        check_number(count, f"{prefix}retry")
    check_number(spec.retry.backoff, f"{prefix}retry.backoff")


def _checked_option(option: ResourceOption, where: str) -> ResourceOption:
    check_number(option.cpu_milli, f"{where}.cpu_milli")
    check_number(option.memory_mib, f"{where}.memory_mib")
    _check_text(option.infra, f"{where}.infra")
    if option.infra is not None:
        option = replace(option, infra=_place(option.infra, f"{where}.infra"))
    if not option.accelerators:
        return option
    found: dict[str, int] = {}
    for name, amount in option.accelerators.items():
        check_number(amount, f"{where}.accelerators.{name[:80]}")
        found[_canonical(name, where)] = amount
    if len(found) < len(option.accelerators):
        raise InputError(
            "two names of one accelerator", where=f"{where}.accelerators", mend="use one of them"
        )
    return option if found == option.accelerators else replace(option, accelerators=found)


def _place(written: str, where: str) -> str:
    from suan.jobfile.quantities import parse_infra

    try:
        return parse_infra(written)
    except ValueError as error:
        message, _, mend = str(error).partition("; ")
        raise InputError(message, where=where, mend=mend) from error


def _canonical(name: str, where: str) -> str:
    from suan.facts.accelerators import canonical

    if not name.strip() or "\0" in name or len(name) > 100:
        raise InputError(
            f"{name[:80]!r} is not an accelerator's name",
            where=f"{where}.accelerators",
            mend="write a model, as A100-80GB, or * for any",
        )
    return canonical(name)
