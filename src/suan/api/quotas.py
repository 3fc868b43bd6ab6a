"""Quotas and limits: from what was asked to the leader's terms, and how they are shown."""

from collections.abc import Mapping

from suan.api.checks import NAME, check_number
from suan.api.requests import BoundsRequest, QuotaRequest
from suan.api.services import ApiContext
from suan.jobfile.amounts import NONE, format_amounts, model_of
from suan.model.errors import InputError
from suan.model.job import JobState
from suan.model.quota import BUDGET_WINDOW, Amounts, Limits, Quota
from suan.model.store import JobFilter
from suan.model.views import BoundsView, LimitsView, QuotaView, bounds_view


def quota_of(asked: QuotaRequest) -> Quota:
    """The quota that was asked for.

    Raises:
        InputError: it cannot be; ``where`` names the field.
    """
    if asked.cohort and (asked.cohort == NONE or not NAME.fullmatch(asked.cohort)):
        raise InputError(
            f"{asked.cohort[:80]!r} is not a name",
            where="quota.cohort",
            mend="use letters, digits and . _ - (first a letter or digit), at most 64",
        )
    guarantee = amounts_of(asked.guarantee, "quota.guarantee")
    ceiling = amounts_of(asked.ceiling, "quota.ceiling")
    try:
        return Quota(guarantee, ceiling, asked.cohort)
    except ValueError as error:
        where, _, detail = str(error).partition(": ")
        mend = "raise the ceiling, or lower the guarantee"
        raise InputError(detail, where=f"quota.{where}", mend=mend) from None


def amounts_of(asked: BoundsRequest, where: str) -> Amounts:
    """The amounts that were asked for.

    Raises:
        InputError: one is none; ``where`` names the field.
    """
    models: dict[str, int] = {}
    for name, amount in asked.accelerators.items():
        try:
            model = model_of(name)
        except ValueError as error:
            raise InputError(str(error), where=f"{where}.accelerators") from None
        if model in models:
            raise InputError(
                f"two names of {model}", where=f"{where}.accelerators", mend="use one of them"
            )
        models[model] = _checked(amount, f"{where}.accelerators.{model}")
    for field in ("cpu_milli", "memory_mib"):
        _checked(getattr(asked, field) or 0, f"{where}.{field}")
    return BoundsView(asked.cpu_milli, asked.memory_mib, models).amounts


def _checked(amount: int, where: str) -> int:
    check_number(amount, where)
    if amount < 0:
        raise InputError(f"{amount} is negative", where=where, mend="use 0 or more")
    return amount


def quota_args(quota: Quota) -> dict[str, str]:
    """What a request to the leader says of a quota."""
    guarantee, ceiling = format_amounts(quota.guarantee), format_amounts(quota.ceiling)
    return {"guarantee": guarantee, "ceiling": ceiling, "cohort": quota.cohort}


def quota_view(quota: Quota) -> QuotaView | None:
    """A quota as it is shown; ``None`` where it limits nothing."""
    if quota == Quota():
        return None
    return QuotaView(bounds_view(quota.guarantee), bounds_view(quota.ceiling), quota.cohort)


def limits_args(limits: Limits) -> dict[str, str]:
    """What a request to the leader says of limits."""
    return {name: NONE if limit is None else str(limit) for name, limit in limits.told}


async def limits_view(context: ApiContext, user: str, limits: Limits) -> LimitsView:
    """A user's limits, and what counts against them."""
    counts: Mapping[JobState, int] = await context.store.counts(JobFilter(user=user))
    spent = (await context.store.spent([user], context.now() - BUDGET_WINDOW)).get(user, ())
    return LimitsView(
        user,
        running=limits.running,
        running_now=counts.get(JobState.RUNNING, 0),
        pending=limits.pending,
        pending_now=counts.get(JobState.PENDING, 0),
        device_hours=limits.device_hours,
        device_ms_used=sum(each.device_ms for each in spent),
        money=limits.money,
        money_used=sum(each.money for each in spent),
    )
