"""Enforces the cost limits, in one place for every way of sending a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ipyreel.errors import InvalidRequest
from ipyreel.settings import Settings
from ipyreel.values import Estimate, JobSnapshot, Money

_NAMES = {
    "max_cost": "max_cost",
    "budget": "the budget",
    "budget_day": "the budget per day",
    "budget_total": "the total budget",
}


Spent = Callable[[float], Money]
"""Adds up the jobs of the library since a time (seconds since the epoch; 0: all of them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one job would cost, and the name of what has no price if the estimate has none."""

    estimate: Estimate
    what: str


def cost_of(job: JobSnapshot) -> Cost:
    """Return what a job that is in the library will cost when it is sent."""
    what = job.request.model or job.provider
    return Cost(estimate=Estimate(usd=job.estimate), what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit in force; `since` is the time from which jobs count, None: only the new ones."""

    setting: str
    usd: Decimal
    where: str
    since: float | None

    @property
    def name(self) -> str:
        """The limit with its value and where it was set, for a sentence."""
        return f"{_NAMES[self.setting]} of {usd_text(self.usd)} ({self.where})"

    def left(self, spent: Spent) -> Decimal:
        """Return how many USD a new job may cost."""
        return self.usd if self.since is None else self.usd - spent(self.since).usd


def limits_in_force(settings: Settings, *, started_at: float, now: float) -> list[Limit]:
    """Return the limits that are set; times are in seconds since the epoch."""
    since = {
        "max_cost": None,
        "budget": started_at,
        "budget_day": _midnight(now),
        "budget_total": 0.0,
    }
    found = []
    for name, start in since.items():
        usd: Decimal | None = getattr(settings, name)
        if usd is not None:
            where = str(settings.source_of(name))
            found.append(Limit(setting=name, usd=usd, where=where, since=start))
    return found


def check_limits(costs: Sequence[Cost], limits: Sequence[Limit], spent: Spent) -> None:
    """Raise InvalidRequest when the jobs together exceed a limit, or one has no known price."""
    if not limits or not costs:
        return
    unproved = next((cost for cost in costs if not cost.estimate.trusted), None)
    if unproved is not None:
        raise InvalidRequest(
            f"The price of {unproved.what} is from a file that is not trusted, so"
            f" {limits[0].name} cannot be checked.",
            hint="%video trust approves the file.",
        )
    unknown = next((cost for cost in costs if cost.estimate.usd is None), None)
    if unknown is not None:
        field = unknown.estimate.unpriced
        raise InvalidRequest(
            f"No price is known for {unknown.what}{f' with {field}' if field else ''}, so"
            f" {limits[0].name} cannot be checked.",
            hint=f"Remove the limit, or {field}."
            if field
            else "Remove the limit, or add a price for the model to ipyreel.toml.",
        )
    total = sum((cost.estimate.usd or Decimal(0) for cost in costs), Decimal(0))
    for limit in limits:
        left = limit.left(spent)
        if total > 0 and total > left:
            raise _over(limit, left, total, len(costs))


def _over(limit: Limit, left: Decimal, total: Decimal, count: int) -> InvalidRequest:
    what = "This" if count == 1 else f"These {count} jobs"
    text = f"{what} would cost about {usd_text(total)}; {limit.name} leaves"
    text += f" {usd_text(max(left, Decimal(0)))}."
    return InvalidRequest(text, hint="Nothing was sent.")


def usd_text(usd: Decimal) -> str:
    """Return an amount with at least two and at most six decimals: `0.30 USD`, `0.0042 USD`."""
    whole, _, cents = f"{usd:.6f}".partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')} USD"


def _midnight(now: float) -> float:
    """Return when the day of `now` began, in local time."""
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))
